"""What commands raise to be told in one line."""


class CliError(Exception):
    """Something the person at the keyboard can mend; the text says what."""
