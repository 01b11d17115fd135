"""The commands of persons who join, and of balances brought from another system (semantics M1, E7)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.api import identities
from app.api.problems import invalid
from app.api.schemas import friends
from app.api.schemas.commands import references
from app.api.schemas.events import OpenedLotIn, OpeningIn, PersonIn
from app.domain import chain, referral_code
from app.domain import identities as stored
from app.domain.commands import Command, Enrolment, Mode, OpenedLot, OpenedTier, OpenedTotal, Opening

MOST_AHEAD = timedelta(hours=14)
"""No place's clocks are further ahead of UTC."""


def enrolment(body: PersonIn, *, channel: str | None, location: str | None, key: bytes) -> tuple[Enrolment, bytes]:
    """The facts of an enrolment, and the personal part that lies apart and can be erased."""
    named = tuple(
        identities.identity(kind, value, at=f"/identities/{kind}", key=key)
        for kind, value in sorted(body.identities.items())
    )
    born = birthday(body.birthday)
    code = None
    if body.referral_code is not None:
        code = friends.code(body.referral_code, key=key)
    said: dict[str, Any] = friends.said(body.fingerprints, key=key)
    if named:
        said["identities"] = {identity.kind: identity.value for identity in named}
    if body.birthday is not None:
        said["birthday"] = body.birthday
    if body.attributes:
        said["attributes"] = body.attributes
    if code is not None:
        said["referral_code"] = code.value
    attributes = chain.canonical(body.attributes).decode() if body.attributes else None
    facts = Enrolment(named, born, attributes, code, channel, location)
    return facts, chain.canonical(said) if said else b""


def birthday(text: str | None) -> date | None:
    """The day that a body says a person was born on, if it says one. Raises Problem."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise invalid("/birthday", "is no day that exists") from None


def check_born(text: str | None, *, now: datetime) -> None:
    """Raises Problem for a birthday in the future, by the clocks of whichever place is ahead of all others."""
    day = birthday(text)
    if day is not None and day > (now.astimezone(UTC) + MOST_AHEAD).date():
        raise invalid("/birthday", "lies in the future")


def opening(body: OpeningIn, *, id: bytes, source: str, key: bytes, mode: Mode) -> Command:
    """The command of balances from another system. Raises Problem."""
    code = None
    if body.referral_code is not None:
        text = referral_code.foreign(body.referral_code)
        if text is None:
            raise invalid("/referral_code", "is no code of another system, or has the form of ours: leave it out")
        code = stored.identity(stored.REFERRAL_CODE, text, key=key)
    particulars = chain.canonical({"referral_code": code.value}) if code is not None else b""
    facts = replace(_opened(body), referral_code=code)
    member = references.member_of(body.member, key)
    return Command(id, source, body.id, member, body.occurred_at, facts, particulars, mode)


def _opened(body: OpeningIn) -> Opening:
    if not body.history:
        raise invalid("/history", "an opening always is an event of the past")
    if not (body.lots or body.totals or body.tiers):
        raise invalid("/lots", "say what there was: at least one of lots, totals and tiers")
    for i, total in enumerate(body.totals):
        if total.unit in {other.unit for other in body.totals[:i]}:
            raise invalid(f"/totals/{i}/unit", "has a total already")
    for i, tier in enumerate(body.tiers):
        if tier.ladder in {other.ladder for other in body.tiers[:i]}:
            raise invalid(f"/tiers/{i}/ladder", "has a tier already")
        if tier.since > body.occurred_at:
            raise invalid(f"/tiers/{i}/since", "is after `occurred_at`, the instant of the books")
    return Opening(
        tuple(_opened_lot(lot, f"/lots/{i}", body.occurred_at) for i, lot in enumerate(body.lots)),
        tuple(OpenedTotal(total.unit, total.points) for total in body.totals),
        tuple(OpenedTier(tier.ladder, tier.tier, tier.since, tier.review_at) for tier in body.tiers),
    )


def _opened_lot(lot: OpenedLotIn, at: str, books: datetime) -> OpenedLot:
    if lot.earned_at > books:
        raise invalid(f"{at}/earned_at", "is after `occurred_at`, the instant of the books")
    if lot.available_at is not None and lot.available_at < lot.earned_at:
        raise invalid(f"{at}/available_at", "is before `earned_at`")
    if lot.expires_at is not None and lot.expires_at <= (lot.available_at or lot.earned_at):
        raise invalid(f"{at}/expires_at", "is not after `earned_at` and `available_at`")
    never = lot.expires_at is None and "expires_at" in lot.model_fields_set
    return OpenedLot(lot.unit, lot.points, lot.earned_at, lot.available_at, lot.expires_at, never)
