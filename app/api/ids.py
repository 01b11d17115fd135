"""Ids of ours in paths: `typeid` texts, each of the kind that its place asks for."""

from app.api.problems import Problem
from app.domain import typeid


def in_path(kind: str, text: str) -> bytes:
    """The id that a path names. Raises Problem: what is no id of this kind is not found."""
    found = typeid.decode(kind, text)
    if found is None:
        raise Problem("not_found")
    return found
