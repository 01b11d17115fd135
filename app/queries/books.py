"""The books in SQL: the table of `domain.books` over recorded entries, and what the accounts hold."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Uuid, bindparam, case, cast, false, func, or_, select

from app.db import tables as t
from app.db.statements import Statement
from app.domain.books import (
    DEBITS,
    EXPIRED,
    ISSUED,
    MOVING,
    PASSING,
    REDEEMED,
    RESTORING,
    RETURNING,
    REVERSED,
    REVIVING,
)

PROGRAM = bindparam("program_id", type_=Uuid())

_v, _e = t.event.c, t.entry.c


def is_any(kind: ColumnElement[str], kinds: Sequence[str]) -> ColumnElement[bool]:
    """Whether a kind of event is one of these."""
    return or_(false(), *[kind == one for one in kinds])


def debit_way(kind: ColumnElement[str]) -> ColumnElement[str]:
    """The way of what a kind of event takes."""
    return case(*[(kind == one, way) for one, way in DEBITS.items()], else_=REVERSED)


def redeems(kind: ColumnElement[str], drawn: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a kind of event drew these points from a lot to spend them, or put spent ones back."""
    return (debit_way(kind) == REDEEMED) | (is_any(kind, (*RESTORING, *RETURNING)) & (drawn < 0))


def expires(kind: ColumnElement[str], drawn: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether what a kind of event drew from a lot has expired, or was put back because it had not."""
    return (debit_way(kind) == EXPIRED) | (is_any(kind, REVIVING) & (drawn < 0))


_d = t.draw.c
_put_back = (
    select(_d.points)
    .where(_d.program_id == _e.program_id, _d.member_id == _e.member_id, _d.sequence == _e.sequence)
    .where(_d.position == _e.position, _d.points < 0)
    .exists()
)
_back = is_any(_v.kind, (*RESTORING, *RETURNING)) & _put_back
_lotless = is_any(_v.kind, RESTORING) & _e.available_at.is_(None)
_revived = (_e.points > 0) & is_any(_v.kind, REVIVING)
_restored = (_e.points > 0) & (is_any(_v.kind, PASSING) | _lotless | _back)
LINES = (
    select(
        _e.unit,
        _v.source,
        _v.recorded_at,
        case(
            (is_any(_v.kind, MOVING), ISSUED),
            (_restored, REDEEMED),
            (_revived, EXPIRED),
            (_e.points > 0, ISSUED),
            else_=debit_way(_v.kind),
        ).label("way"),
        case((is_any(_v.kind, MOVING), _e.points), (_restored | _revived, -_e.points), else_=func.abs(_e.points)).label(
            "points"
        ),
    )
    .select_from(
        t.entry.join(
            t.event,
            (_v.program_id == _e.program_id) & (_v.member_id == _e.member_id) & (_v.sequence == _e.sequence),
        )
    )
    .where(_e.program_id == PROGRAM)
    .subquery("lines")
)
"""Every entry of a program with the way it went."""


def moved(*by: ColumnElement[Any]) -> Statement:
    """The points that went each way, by unit, `way`, and these columns of LINES."""
    parts = (LINES.c.unit, LINES.c.way, *by)
    return Statement(select(*parts, cast(func.sum(LINES.c.points), BigInteger).label("points")).group_by(*parts))


MOVED = moved()
HELD = Statement(
    select(t.account.c.unit, cast(func.sum(t.account.c.balance), BigInteger).label("points"))
    .where(t.account.c.program_id == PROGRAM)
    .group_by(t.account.c.unit)
)
"""What the accounts of a program hold, by unit."""
