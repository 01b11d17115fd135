"""How members come in: a person who joins, by whose word, and what they had in another system."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from app.domain.commands.references import Identity


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A person joins. Identities, birthday and attributes (JSON text) are personal: outside the ledger (M1, M4)."""

    kind = "enrolment"
    identities: tuple[Identity, ...] = ()
    birthday: date | None = None
    attributes: str | None = None
    referral_code: Identity | None = None
    channel: str | None = None
    location: str | None = None
    opening: bool = False
    """Made for an opening: its points are those of the other system, so joining earns nothing here (semantics E7)."""


@dataclass(frozen=True, slots=True)
class ReferralClaim:
    """A member names the friend who brought them, after joining (semantics F1). The code lies outside the ledger."""

    kind = "referral_claim"
    code: Identity
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


class OpenedLot(NamedTuple):
    """What is left of points that were earned together in another system.

    Their end is `expires_at`; without one the program's rules say it, unless `never` (semantics L10).
    """

    unit: str
    points: int
    earned_at: datetime
    available_at: datetime | None = None
    expires_at: datetime | None = None
    never: bool = False


class OpenedTotal(NamedTuple):
    """What a member had in a unit that has no lots, such as money spent."""

    unit: str
    points: int


class OpenedTier(NamedTuple):
    """A tier that a member held in another system; `review_at` is kept, and nothing reads it yet."""

    ladder: str
    tier: str
    since: datetime
    review_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """A member's balances in another system, by the books of the day on which it occurred (semantics E7).

    The referral code that the member had there may be personal: it lies outside the ledger, like an enrolment's.
    """

    kind = "opening"
    lots: tuple[OpenedLot, ...] = ()
    totals: tuple[OpenedTotal, ...] = ()
    tiers: tuple[OpenedTier, ...] = ()
    referral_code: Identity | None = None
