"""DECIDE: pure functions over frozen values; no I/O, no clock, no randomness. See docs/architecture.md."""
