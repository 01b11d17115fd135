"""What makes somebody look at a referral before it pays: signs that both sides are one person (semantics F4)."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple

from app.domain.rules import ClaimLimit

SAME_EMAIL = "same_email"
SAME_FINGERPRINT = "same_fingerprint"
MANY_CLAIMS = "many_claims"

FINGERPRINTS = "fingerprints"
"""Where the erasable part of an event keeps them, as digests."""

_DOTS_DO_NOT_COUNT = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}


class Traits(NamedTuple):
    """By what a member may be recognized: digests of what shops sent along, and mailboxes."""

    fingerprints: frozenset[bytes] = frozenset()
    mailboxes: frozenset[str] = frozenset()


def reasons(
    mine: Traits, theirs: Traits, claims: Sequence[datetime], limit: ClaimLimit | None, *, at: datetime
) -> tuple[str, ...]:
    """Why somebody should look at the referral that occurred `at`; `claims` are those before it of the same friend."""
    signs = {
        SAME_EMAIL: bool(mine.mailboxes & theirs.mailboxes),
        SAME_FINGERPRINT: bool(mine.fingerprints & theirs.fingerprints),
        MANY_CLAIMS: limit is not None and _recent(claims, limit, at=at) >= limit.claims,
    }
    return tuple(code for code, found in signs.items() if found)


def span(limit: ClaimLimit) -> timedelta:
    """How far back a limit looks."""
    return timedelta(days=limit.within.days)


def _recent(claims: Sequence[datetime], limit: ClaimLimit, *, at: datetime) -> int:
    return sum(at - span(limit) < claimed_at <= at for claimed_at in claims)


def mailbox(email: str) -> str:
    """The mailbox that a normalized address goes to: without what follows a plus, and dots where they do not count."""
    local, _, domain = email.casefold().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTS_DO_NOT_COUNT:
        local, domain = local.replace(".", ""), _DOTS_DO_NOT_COUNT[domain]
    return f"{local}@{domain}"


def digest(fingerprint: str, *, key: bytes) -> bytes:
    """What is kept of a fingerprint that a shop sent: of a card, an address, a device."""
    return blake2b(fingerprint.encode(), digest_size=16, key=key, person=b"zegel-finger/1").digest()


def fingerprints(particulars: bytes) -> tuple[bytes, ...]:
    """The digests that an event brought along, from its erasable part."""
    if f'"{FINGERPRINTS}"'.encode() not in particulars:
        return ()
    said = json.loads(particulars)
    return tuple(bytes.fromhex(text) for text in said.get(FINGERPRINTS, ()))


def mailboxes(emails: Iterable[str]) -> frozenset[str]:
    """The mailboxes of addresses."""
    return frozenset(map(mailbox, emails))
