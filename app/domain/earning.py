"""Events on which rules give something: a purchase, an activity, an enrolment (semantics A1-A3)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.domain import (
    accrual,
    dating,
    gifts,
    holds,
    limits,
    lots,
    messages,
    posting,
    referral_code,
    referrals,
    sales,
    seeing,
    tiers,
    typeid,
    visits,
)
from app.domain.applying import Occasion
from app.domain.commands import Activity, Enrolment, Line, Purchase
from app.domain.effects import Case, Effect
from app.domain.events import Entry
from app.domain.posting import Tell
from app.domain.refusals import IdentityTaken, Refused, UnknownReferralCode
from app.domain.seeing import Seen
from app.domain.state import MemberState
from app.domain.steps import Step


def purchase(state: MemberState, facts: Purchase, case: Case) -> Effect:
    """What the rules give, what it pays from a hold, and what it brings a friend (semantics A1, L12, F2)."""
    sales.check(facts, case.rules)
    seen = _seen(state, facts.lines, case)
    context = _context(state, seen, case)
    state, earned, steps, given = _earn(state, facts, _occasion(facts, context, seen, case), case)
    if any(line.amount >= 0 for line in facts.lines):
        state = visits.counted(state, case.rules, context, case, times=1)
    state, paid = holds.pay(state, facts, case, first=len(earned)) if case.beside.named else (state, holds.Paid())
    context = {**context, **given.context}
    if paid.captured:
        context = {**context, "captured": paid.captured}
    if paid.about is not None:
        context = {**context, "of": paid.about.hex()}
    brought = referrals.Progress(state) if state.referrer is None else referrals.qualified(state, facts, case)
    if brought.context:
        context = {**context, **brought.context}
    tells = (*_earned(earned), *given.tells, *paid.tells, *brought.tells)
    return Effect(
        brought.state,
        (*earned, *paid.entries),
        (*steps, *paid.steps),
        context,
        tells,
        brought.schedules,
        flags=paid.flags,
        about=paid.about,
    )


def activity(state: MemberState, facts: Activity, case: Case) -> Effect:
    """What its rules give (semantics A3)."""
    seen = _seen(state, (), case)
    context = _context(state, seen, case)
    occasion = _occasion(facts, context, seen, case, activity=facts.activity)
    state, entries, steps, given = _earn(state, None, occasion, case)
    tells = ((messages.ACTIVITY, {"activity": facts.activity}), *_earned(entries), *given.tells)
    return Effect(state, entries, steps, {**context, **given.context}, tells)


def enrol(state: MemberState, facts: Enrolment, case: Case) -> Effect:
    """A member with a code of their own, and what the rules give for joining; who brought them (semantics M1, F1)."""
    for identity in facts.identities:
        owner = case.identities.get(identity.digest)
        if owner is not None:
            raise Refused(IdentityTaken(identity.kind, owner))
    code = referral_code.make(case.moment.ids.random(8))
    state = state._replace(enrolled_at=case.occurred_at, referral_code=code)
    context: dict[str, Any] = {"code": code}
    extra: dict[str, str] = {}
    brought = referrals.Progress(state)
    if facts.referral_code is not None:
        referrer = case.identities.get(facts.referral_code.digest)
        if referrer is None:
            raise Refused(UnknownReferralCode())
        brought = referrals.claimed(state, referrer, case)
        context |= {"referrer": referrer.hex(), **brought.context}
        extra["referrer"] = typeid.encode(typeid.MEMBER, referrer)
    if facts.opening:
        return Effect(brought.state, context=context, tells=((messages.ENROLLED, extra), *brought.tells))
    state = brought.state
    if facts.attributes is not None and case.moment.versions.profiles:
        state = state._replace(attributes=json.loads(facts.attributes))
    seen = _seen(state, (), case)
    judged = _context(state, seen, case)
    state, entries, steps, given = _earn(state, None, _occasion(facts, judged, seen, case), case)
    tells = ((messages.ENROLLED, extra), *brought.tells, *_earned(entries), *given.tells)
    room = {limits.ROOM: judged[limits.ROOM]} if limits.ROOM in judged else {}
    context = {**context, **room, **seeing.context(seen, case.rules), **given.context}
    return Effect(state, entries, steps, context, tells, brought.schedules)


def _seen(state: MemberState, lines: Sequence[Line], case: Case) -> Seen:
    """What rules look at besides: as it is now, or where this is decided again, as it was (semantics M5, L15)."""
    if case.beside.seen is not None:
        return case.beside.seen
    return seeing.now(state, case.command.particulars, lines, case.rules, occurred_at=case.occurred_at)


def _context(state: MemberState, seen: Seen, case: Case) -> Mapping[str, Any]:
    """What besides the facts was judged: the tiers held when it occurred, by what was recorded before (A6, E2)."""
    held = {ladder.code: tiers.held_at(case.occurred_at, state.tiers, ladder) for ladder in case.rules.ladders}
    before = visits.seen(state, case) if isinstance(case.command.facts, Purchase) else {}
    room = limits.room(state, case.rules, case.command.facts.kind, case.occurred_at)
    judged = {"tiers": held, visits.VISITS: before, limits.ROOM: room}
    return {name: found for name, found in judged.items() if found} | seeing.context(seen, case.rules)


def _occasion(
    facts: Purchase | Activity | Enrolment,
    context: Mapping[str, Any],
    seen: Seen,
    case: Case,
    *,
    activity: str | None = None,
) -> Occasion:
    return Occasion(
        kind=facts.kind,
        occurred_at=case.occurred_at,
        tiers=frozenset(context.get("tiers", {}).values()),
        source=case.command.source,
        activity=activity,
        channel=facts.channel,
        location=facts.location,
        visits=context.get(visits.VISITS, {}),
        room=context.get(limits.ROOM, {}),
        seen=seen,
        engine=case.moment.engine,
    )


def _earn(
    state: MemberState, goods: Purchase | None, occasion: Occasion, case: Case
) -> tuple[MemberState, tuple[Entry, ...], tuple[Step, ...], gifts.Given]:
    """Credits what the rules give on this occasion, and what they give besides points."""
    gained = accrual.earned(goods, occasion, case.rules)
    now, credits = case.moment.judged_at, []
    date = dating.dates if goods is None else dating.dates_of_goods
    for code, amount in gained.points:
        unit = case.rules.units[code]
        dates = date(unit, occurred_at=case.occurred_at, now=now, zone=case.rules.zone, joined=state.enrolled_at)
        credits.append((unit, amount, dates))
    state, entries = lots.credit_state(state, credits, now=now)
    state = limits.counted(
        state, case.rules, occasion.kind, at=case.occurred_at, now=now, kept=case.rules.late, used=gained.used
    )
    number, at = state.sequence + 1, case.occurred_at
    given = gifts.give(gained.gifts, case.rules, occurred_at=at, sequence=number)
    state = gifts.promoted(state, gained.gifts, case.rules, occurred_at=at, sequence=number, now=now)
    state = gifts.into(state, given, case.rules, occurred_at=at, sequence=number, now=now)
    return state, entries, gained.steps, given


def _earned(entries: tuple[Entry, ...]) -> tuple[Tell, ...]:
    return ((messages.EARNED, {"points": posting.by_unit(entries)}),) if entries else ()
