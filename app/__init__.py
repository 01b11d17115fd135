"""Zegel, a loyalty ledger: see docs/architecture.md for the rooms of this package."""
