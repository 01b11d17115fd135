"""How commands name members and earlier events, and who sends them."""

from typing import NamedTuple

CLOCK = "zegel"
"""The reserved source of events that the clock or a consequence brings (semantics E2)."""

OPERATIONS = "ops"
"""The reserved source of what persons do by hand (semantics E5)."""

RESERVED = (CLOCK, OPERATIONS)
"""Sources that no shop can be called by."""


class Identity(NamedTuple):
    """How a member is known, such as a card. `digest` is the keyed hash it is found by; `value` is personal data."""

    kind: str
    value: str
    digest: bytes


class Reference(NamedTuple):
    """Who a command is about: our id, or an identity; `enrol` enrols an unknown identity first (semantics M1)."""

    member_id: bytes | None = None
    identity: Identity | None = None
    enrol: bool = False


class Named(NamedTuple):
    """An earlier event of the same member: by our id, or by the key its shop gave it; of the `kind`, if one is said."""

    event_id: bytes | None = None
    source: str = ""
    kind: str = ""
    key: str = ""
