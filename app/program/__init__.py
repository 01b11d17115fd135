"""READ THE PROGRAM: documents of shop owners into rules for the core; no I/O. See docs/architecture.md."""
