"""What goes wrong with the embedded server."""


class LocalPgError(Exception):
    """The embedded server cannot be used; the text is one line that says why and, where it can, what to do."""
