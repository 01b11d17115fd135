"""What decisions about referrals read besides the members' own rows: who is who, and who brought whom (semantics F4).

Nothing here runs in a batch in which no friend was named and nobody buys who named one.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import ARRAY, Select, Text, Uuid, bindparam, func, literal_column, select, true

from app.db import rows
from app.db import tables as t
from app.db.statements import PROGRAM_PARAMETER, Questions

EMAIL = "email"
CLAIMS_MOST = 1_000
"""No limit on the claims of a friend is above this; more are not counted."""


@dataclass(frozen=True, slots=True)
class Known:
    """By member: the digests of fingerprints, e-mail addresses, and when their code was claimed lately.

    `referring` have brought others, of those asked about.
    """

    fingerprints: dict[bytes, set[bytes]] = field(default_factory=dict)
    emails: dict[bytes, set[str]] = field(default_factory=dict)
    claims: dict[bytes, list[datetime]] = field(default_factory=dict)
    referring: set[bytes] = field(default_factory=set)


def _any(name: str) -> Any:
    return func.any(bindparam(name, type_=ARRAY(Uuid())))


def _each(name: str, alias: str) -> Any:
    asked = func.unnest(bindparam(name, type_=ARRAY(Uuid()))).table_valued("id")
    return asked.render_derived(name=alias)


def _claims() -> Select[Any]:
    asked, m = _each("referrers", "asked"), t.member.c
    found = (
        select(m.referrer_id, m.referral_claimed_at)
        .where(m.program_id == PROGRAM_PARAMETER, m.referrer_id == asked.c.id)
        .where(m.referral_claimed_at > bindparam("since", type_=t.INSTANT))
        .order_by(m.referral_claimed_at.desc())
        .limit(literal_column(str(CLAIMS_MOST)))
        .lateral("found")
    )
    return select(found.c.referrer_id, found.c.referral_claimed_at).select_from(asked.join(found, true()))


def _referring() -> Select[Any]:
    asked, m = _each("claiming", "asked"), t.member.c
    found = (
        select(m.referrer_id.label("member_id"))
        .where(m.program_id == PROGRAM_PARAMETER, m.referrer_id == asked.c.id)
        .limit(literal_column("1"))
        .lateral("found")
    )
    return select(found.c.member_id).select_from(asked.join(found, true()))


_i, _f = t.member_identity.c, t.fingerprint.c
KNOWN = Questions(
    {
        "fingerprints": select(_f.member_id, _f.digest).where(
            _f.program_id == PROGRAM_PARAMETER, _f.member_id == _any("members")
        ),
        "emails": select(_i.member_id, _i.value).where(
            _i.program_id == PROGRAM_PARAMETER,
            _i.member_id == _any("members"),
            _i.kind == bindparam("email", EMAIL, type_=Text()),
        ),
        "claims": _claims(),
        "referring": _referring(),
    }
)
"""All of it in one statement, so in one round trip and one snapshot, which is later than the members' lock."""


async def known(
    connection: asyncpg.Connection,
    *,
    program_id: bytes,
    members: Collection[bytes],
    referrers: Collection[bytes],
    claiming: Collection[bytes],
    since: datetime,
) -> Known:
    """What is known of these `members`, of the claims of `referrers` after an instant, and of those `claiming` now."""
    found = await KNOWN.ask(
        connection,
        program_id=rows.uuid(program_id),
        members=_ids(members),
        referrers=_ids(referrers),
        claiming=_ids(claiming),
        since=since,
    )
    known = Known()
    for row in found["fingerprints"]:
        known.fingerprints.setdefault(row["member_id"].bytes, set()).add(row["digest"])
    for row in found["emails"]:
        known.emails.setdefault(row["member_id"].bytes, set()).add(row["value"])
    for row in found["claims"]:
        known.claims.setdefault(row["referrer_id"].bytes, []).append(row["referral_claimed_at"])
    known.referring.update(row["member_id"].bytes for row in found["referring"])
    return known


def _ids(ids: Collection[bytes]) -> list[Any]:
    return [rows.uuid(id) for id in sorted(ids)]
