"""Opening a member's account with what they had in another system: once, before anything else (semantics E7)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.domain import ladders, lots, messages, posting, tiers, units
from app.domain.chain import decode_content
from app.domain.commands import Enrolment, OpenedLot, OpenedTier, Opening
from app.domain.dating import Dates
from app.domain.effects import Case, Effect
from app.domain.encoding import decode_facts
from app.domain.ladders import Ladder
from app.domain.notices import NOTICE
from app.domain.refusals import (
    AlreadyOpened,
    IdentityTaken,
    NotNew,
    Refused,
    UnitHasLots,
    UnitHasNoLots,
    UnknownTier,
    UnknownUnit,
)
from app.domain.rules import Rules
from app.domain.settling import ACTIVATION, EXPIRY
from app.domain.state import MemberState, TierTerm
from app.domain.tiers import Moved, TierChange
from app.domain.units import Unit

BEFORE = (Enrolment.kind, ACTIVATION, EXPIRY, NOTICE)
"""What may lie before an opening: that the member joined, and what the clock made of the points for it."""


def opened(state: MemberState, facts: Opening, case: Case) -> Effect:
    """The lots with their dates, the totals and the tiers; no rule of earning is asked."""
    _check_first(case)
    _check_code(facts, case)
    now, credits = case.moment.judged_at, list(_credits(facts, case, state.enrolled_at))
    state, entries = lots.credit_state(state, credits, now=now)
    tells = ((messages.EARNED, {"points": posting.by_unit(entries)}),) if entries else ()
    return Effect(state, entries, tells=tells, given=_given(state, facts, case))


def earned_at(content: bytes) -> tuple[datetime, ...]:
    """When the lots of an opening were earned, by the position of the entries that credited them."""
    facts = decode_facts(Opening.kind, decode_content(content).facts)
    assert isinstance(facts, Opening)
    return tuple(lot.earned_at for lot in facts.lots)


def _check_first(case: Case) -> None:
    (before,) = case.beside.named or (None,)
    if before is None:
        return
    first = before.event
    raise Refused(AlreadyOpened(first.id) if first.kind == Opening.kind else NotNew(first.id))


def _check_code(facts: Opening, case: Case) -> None:
    owner = None if facts.referral_code is None else case.identities.get(facts.referral_code.digest)
    if owner is not None:
        raise Refused(IdentityTaken("referral_code", owner))


def _credits(facts: Opening, case: Case, joined: datetime | None) -> Iterator[tuple[Unit, int, Dates]]:
    rules, day = case.rules, case.occurred_at
    for lot in facts.lots:
        unit = _unit(lot.unit, rules)
        if not unit.has_lots:
            raise Refused(UnitHasNoLots(unit.code))
        yield unit, lot.points, _dates(lot, unit, day=day, zone=rules.zone, joined=joined)
    for total in facts.totals:
        unit = _unit(total.unit, rules)
        if unit.has_lots:
            raise Refused(UnitHasLots(unit.code))
        yield unit, total.points, Dates(day, day, None)


def _dates(lot: OpenedLot, unit: Unit, *, day: datetime, zone: ZoneInfo, joined: datetime | None) -> Dates:
    """The lot's own dates, the program's where it says none.

    It begins to count here on the `day` of the books, and what had ended by then ends on it: looked back at, no points
    may be drawn, or end, before they are there (semantics L14).
    """
    nominal = lot.available_at or units.available_from(unit, occurred_at=lot.earned_at, zone=zone)
    ends = lot.expires_at or units.expires_at(unit, available_from=nominal, zone=zone, joined=joined)
    return Dates(lot.earned_at, max(nominal, day), None if lot.never or ends is None else max(ends, day))


def _unit(code: str, rules: Rules) -> Unit:
    if code not in rules.units:
        raise Refused(UnknownUnit(tuple(rules.units)))
    return rules.units[code]


def _given(state: MemberState, facts: Opening, case: Case) -> tuple[Moved, ...]:
    """The tiers that were held, each from its own start.

    But where the totals meet a higher one, that is reached here and now, as by any event (semantics T2).
    """
    accounts = lots.by_the_instant(state.accounts, state.lots, now=case.moment.judged_at)
    given = []
    for said in facts.tiers:
        ladder = _ladder(said, case.rules)
        rank, held = ladder.rank(said.tier), tiers.current(state.tiers, ladder)
        before = ladder.tiers[0].code if held is None else held.tier
        if rank > ladder.rank(before) and rank >= ladders.met(tiers.active(accounts, ladder), ladder):
            term = TierTerm(ladder.code, said.tier, since=said.since, sequence=state.sequence + 1)
            term = term._replace(**_review(said, ladder, state, case))
            term = tiers.with_notice(term, ladder, state.floors, rules=case.rules, now=case.moment.judged_at)
            given.append((term, TierChange(ladder.code, before=before, after=said.tier)))
    return tuple(given)


def _review(said: OpenedTier, ladder: Ladder, state: MemberState, case: Case) -> dict[str, Any]:
    """When a tier that was held elsewhere is reviewed, and that no return costs it before: the last review left it.

    At the date told, or else as a tier that was reached then; not before the day of the books (semantics E7, T3).
    """
    zone, day = case.rules.zone, case.occurred_at
    at = ladders.first_review(ladder, reached_at=said.since, joined=state.enrolled_at, zone=zone)
    if at is None:
        return {}
    if said.review_at is not None:
        at = max(said.review_at, day)
    elif at <= day:
        at = ladders.next_review(ladder, reviewed_at=day, joined=state.enrolled_at, zone=zone)
    return {"review_at": at, "confirmed": said.tier}


def _ladder(said: OpenedTier, rules: Rules) -> Ladder:
    for ladder in rules.ladders:
        if ladder.code == said.ladder and any(tier.code == said.tier for tier in ladder.tiers):
            return ladder
    known = tuple(f"{ladder.code}:{tier.code}" for ladder in rules.ladders for tier in ladder.tiers)
    raise Refused(UnknownTier(known))
