"""The `zegel` command, a file a command."""

from app.cli.root import main

__all__ = ["main"]
