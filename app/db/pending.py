"""Which endpoints a message goes to, and in which order: one rule for every message (webhooks W1, W3, W10)."""

from typing import Any

from sqlalchemy import ColumnElement, case, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import Insert, insert

from app.db import tables as t

ANY_OF = "*"
"""`points.*` takes every type of points."""


def queued(
    message_id: ColumnElement[Any],
    *only: ColumnElement[bool],
    program_id: ColumnElement[Any],
    type: ColumnElement[Any],
    created_at: ColumnElement[Any],
    member_id: ColumnElement[Any],
    number: ColumnElement[Any],
) -> Insert:
    """A pending delivery for each endpoint that takes the type; `only` narrows down which. A paused one queues up.

    What has a key waits for those before it under the same key: a member's by number, an endpoint's by time.
    """
    e = t.endpoint.c
    strict = e.ordering == _STRICT
    source = select(
        program_id,
        e.endpoint_id,
        message_id,
        created_at,
        case((strict, e.endpoint_id), (e.ordering == _MEMBER, member_id)),
        literal_column("0"),
        case((strict, created_at)),
        case((e.ordering.in_([_STRICT, _MEMBER]), number)),
    ).where(e.program_id == program_id, or_(e.state == _ENABLED, e.state == _PAUSED), takes(type), *only)
    names = (
        *("program_id", "endpoint_id", "message_id", "due_at", "ordering_key", "attempts"),
        *("queued_at", "number"),
    )
    return insert(t.pending_delivery).from_select(list(names), source)


def takes(type: ColumnElement[Any], endpoint: Any = t.endpoint.c) -> ColumnElement[bool]:
    """Whether an endpoint takes messages of a type: all where it names none."""
    types = endpoint.types
    group = func.split_part(type, literal_column("'.'"), literal_column("1")).concat(literal_column(f"'.{ANY_OF}'"))
    return or_(types.is_(None), type == func.any(types), group == func.any(types))


def may_see(audience: ColumnElement[Any], endpoint: Any = t.endpoint.c) -> ColumnElement[bool]:
    """Whether an endpoint's shop may see a message: the program's own see all (webhooks W10)."""
    return or_(audience.is_(None), endpoint.source.is_(None), audience == endpoint.source)


_ENABLED: ColumnElement[str] = literal_column("'enabled'")
_PAUSED: ColumnElement[str] = literal_column("'paused'")
_STRICT: ColumnElement[str] = literal_column("'strict'")
_MEMBER: ColumnElement[str] = literal_column("'member'")
