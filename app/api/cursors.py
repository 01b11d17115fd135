"""Cursors are opaque: signed, and bound to the list, its filters and the program (api C7)."""

import base64
from hashlib import blake2b
from hmac import compare_digest

from app.api.problems import Problem

_MAC = 12


def encode(position: str, *, bound_to: str, key: bytes) -> str:
    """A cursor after a position in a list."""
    data = position.encode()
    return base64.urlsafe_b64encode(_mac(data, bound_to, key) + data).decode().rstrip("=")


def decode(cursor: str, *, bound_to: str, key: bytes, given_as: str = "next_cursor") -> str:
    """The position of a cursor. Raises Problem `malformed_cursor` for any but ours for this very list.

    `given_as` is the field in which answers give it.
    """
    wrong = Problem("malformed_cursor", detail=f"Send a `{given_as}` back as it came, with the same filters.")
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mac, data = raw[:_MAC], raw[_MAC:]
        if len(cursor) > 512 or not compare_digest(mac, _mac(data, bound_to, key)):
            raise wrong
        return data.decode()
    except ValueError:
        raise wrong from None


def _mac(data: bytes, bound_to: str, key: bytes) -> bytes:
    return blake2b(data + b"\0" + bound_to.encode(), digest_size=_MAC, key=key, person=b"zegel-cursor/1").digest()
