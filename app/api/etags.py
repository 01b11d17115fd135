"""ETags: how a version is written, and which versions an `If-Match` names (RFC 9110, 8.8.3 and 13.1.1)."""

import re

from app.api.problems import Problem

ANY = "*"
"""Stands for whatever is there."""

NO_REVISION = -1
_STRONG = re.compile(r'"([\x21\x23-\x7e]*)"\Z')
_REVISION = re.compile(r"[0-9]{1,9}\Z")


def etag(version: str | int) -> str:
    """A version as the ETag of an answer."""
    return f'"{version}"'


def versions(if_match: str) -> frozenset[str] | None:
    """The versions that an If-Match names; None where it takes any. What is weak or without quotes names none."""
    if if_match.strip() == ANY:
        return None
    tags = (_STRONG.match(tag.strip()) for tag in if_match.split(","))
    return frozenset(tag[1] for tag in tags if tag is not None)


def revision(if_match: str | None) -> int | None:
    """The one revision that an If-Match names, `NO_REVISION` for anything else; None where it takes any.

    Raises Problem where there is no If-Match.
    """
    if if_match is None:
        raise Problem("if_match_missing")
    named = versions(if_match)
    if named is None:
        return None
    (only,) = named if len(named) == 1 else ("",)
    return int(only) if _REVISION.match(only) else NO_REVISION
