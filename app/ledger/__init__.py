"""WRITE: the one corridor that everything which can move points walks. See docs/architecture.md."""
