"""The door of the core: what a command does to a member, or why it must not (architecture §4)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.domain import (
    accrual,
    adjusting,
    chain,
    commands,
    holds,
    lots,
    messages,
    opening,
    posting,
    redemption,
    referral_code,
    referrals,
    reversing,
    settling,
    tiers,
    typeid,
)
from app.domain.accrual import Occasion
from app.domain.commands import (
    CLOCK,
    Activity,
    Adjustment,
    Cancellation,
    Capture,
    Command,
    Enrolment,
    Hold,
    Mode,
    Opening,
    Purchase,
    Redemption,
    Reference,
    Release,
    Return,
)
from app.domain.effects import Case, Effect, Identities
from app.domain.events import Decision, Earlier, Entry, Posted
from app.domain.posting import Draft, Ids, Moment, Tell
from app.domain.refusals import (
    IdentityTaken,
    NotAfterPassed,
    Refused,
    TooEarly,
    TooLate,
    TotalMismatch,
    UnknownReferralCode,
    UnlistedCurrency,
)
from app.domain.rules import OutOfTime, Rules, Versions
from app.domain.state import MemberState, ReferralState, Scheduled

CLOCK_CORRECTED = "clock_corrected"
"""Flag: the event was taken at its recording, because its own time was beyond the limits (semantics E3)."""

ADMITTED = "admitted"
"""Flag: the event had been refused, and somebody let it in (semantics E3)."""

_SHORTEST_LIFE = timedelta(hours=20)
"""No lot that lives for a period of time ends sooner: to the end of a day on at least, and a day may have 23 hours."""


def needs_lots(command: Command, versions: Versions, *, now: datetime) -> bool:
    """Whether deciding on this command draws on lots, or may open one that is born expired (semantics L10).

    Settling what is due needs them in any case.
    """
    if isinstance(command.facts, Redemption | Hold | Opening | Adjustment) or commands.names(command):
        return True
    if not versions.all or (now - command.occurred_at < _SHORTEST_LIFE and not versions.brief):
        return False
    rules, at = versions.at(command.occurred_at), command.occurred_at
    seen = (lots.first_seen_to(unit, occurred_at=at, now=now, zone=rules.zone) for unit in rules.units.values())
    return any(instant is not None and instant <= now for instant in seen)


def moment_of(
    command: Command, state: MemberState, *, program_id: bytes, versions: Versions, clock: datetime, ids: Ids
) -> Moment:
    """When a command is judged: now, or for history the latest that the member's past has come to (E3, E7)."""
    recorded_at = clock if state.recorded_at is None else max(clock, state.recorded_at)
    if command.mode is Mode.LIVE:
        judged_at = recorded_at if state.judged_at is None else max(recorded_at, state.judged_at)
    else:
        judged_at = command.occurred_at if state.judged_at is None else max(command.occurred_at, state.judged_at)
    return Moment(program_id, versions, recorded_at, judged_at, command.mode is Mode.HISTORY, ids)


def decide(
    state: MemberState,
    command: Command,
    moment: Moment,
    *,
    digest: bytes,
    facts: bytes,
    identities: Identities,
    named: tuple[Earlier | None, ...] = (),
) -> Decision:
    """What the command does: settle what is due, enrol whom it names first if so asked, then its own event.

    `facts` and `digest` are the command's as `chain` makes them; `named` are the events it names, or of an opening the
    one that stands in its way. A refusal leaves the state as it was.
    """
    try:
        occurred_at = _taken_at(command, moment)
        rules = moment.versions.at(occurred_at)
        return _decide(state, Case(command, moment, occurred_at, rules, facts, digest, identities, named))
    except Refused as refused:
        return Decision(state, refusal=refused.refusal)


def settle(state: MemberState, moment: Moment) -> Decision:
    """Only what is due: how the worker writes down expiries and runs scheduled commands (semantics L7)."""
    settled, events = settling.settle(state, moment)
    return Decision(settled, events) if events else Decision(state)


def _decide(state: MemberState, case: Case) -> Decision:
    moment = case.moment
    events: list[Posted] = []
    if state.enrolled_at is None and not isinstance(case.command.facts, Enrolment):
        state, enrolled = _enrol_first(state, case)
        events.append(enrolled)
    state, settled = settling.settle(state, moment)
    events.extend(settled)
    effect = _effect(state, case)
    state, own = _post(effect, case)
    events.append(own)
    if settling.next_instant(state, now=moment.judged_at) is not None:  # a lot may be born expired (semantics L10)
        state, settled = settling.settle(state, moment)
        events.extend(settled)
    if moment.silent:
        state = state._replace(quiet_before=moment.recorded_at)
    return Decision(state, tuple(events), own=own.recorded, schedules=effect.schedules)


def _taken_at(command: Command, moment: Moment) -> datetime:
    """When the event counts as having occurred; beyond the program's limits refused or taken now (semantics E3)."""
    if command.in_time:
        return command.occurred_at
    if command.not_after is not None and moment.recorded_at > command.not_after:
        raise Refused(NotAfterPassed(command.not_after, moment.recorded_at))
    rules = moment.versions.at(moment.recorded_at)
    earliest, latest = moment.recorded_at - rules.late, moment.recorded_at + rules.early
    if command.occurred_at <= latest and (command.mode is not Mode.LIVE or earliest <= command.occurred_at):
        return command.occurred_at
    if command.mode is not Mode.LIVE:
        raise Refused(TooEarly(latest))
    if rules.out_of_time is OutOfTime.RECORD_NOW:
        return moment.recorded_at
    raise Refused(TooLate(earliest) if command.occurred_at < earliest else TooEarly(latest))


def _post(effect: Effect, case: Case) -> tuple[MemberState, Posted]:
    command, context, flags = case.command, effect.context, effect.flags
    if case.occurred_at != command.occurred_at:
        flags = (CLOCK_CORRECTED, *flags)
    if command.admitted_by:
        context, flags = {**context, "admitted_by": command.admitted_by}, (ADMITTED, *flags)
    draft = Draft(
        id=command.id,
        source=command.source,
        kind=command.facts.kind,
        key=command.key,
        occurred_at=case.occurred_at,
        effective_at=case.occurred_at,
        rules=case.rules,
        digest=case.digest,
        facts=case.facts,
        context=context,
        entries=effect.entries,
        steps=effect.steps,
        flags=flags,
        particulars=command.particulars,
        tells=effect.tells,
        about=effect.about,
        before=effect.before,
        given=effect.given,
    )
    return posting.post(effect.state, draft, case.moment)


def _enrol_first(state: MemberState, case: Case) -> tuple[MemberState, Posted]:
    """The enrolment of an unknown identity inside another event: two events, one transaction (semantics M1)."""
    identity = case.command.member.identity
    assert identity is not None
    facts = Enrolment(identities=(identity,), opening=isinstance(case.command.facts, Opening))
    enrolment = Command(
        id=case.moment.ids.fresh(),
        source=CLOCK,
        key=f"enr:{state.id.hex()}",
        member=Reference(),
        occurred_at=case.occurred_at,
        facts=facts,
        particulars=chain.canonical({"identities": {identity.kind: identity.value}}),
        mode=case.command.mode,
    )
    first = case._replace(
        command=enrolment, facts=chain.encode_facts(facts), digest=bytes(chain.DIGEST_BYTES), identities={}
    )
    return _post(_enrol(state, facts, first), first)


def _effect(state: MemberState, case: Case) -> Effect:
    facts = case.command.facts
    if isinstance(facts, Purchase):
        return _purchase(state, facts, case)
    if isinstance(facts, Activity):
        return _activity(state, facts, case)
    if isinstance(facts, Redemption):
        return redemption.redeem(state, facts, case)
    if isinstance(facts, Hold):
        return holds.place(state, facts, case)
    if isinstance(facts, Capture):
        return holds.capture(state, facts, case)
    if isinstance(facts, Release):
        return holds.release(state, facts, case)
    if isinstance(facts, Return):
        return reversing.bring_back(state, facts, case)
    if isinstance(facts, Cancellation):
        return reversing.cancel(state, facts, case)
    if isinstance(facts, Opening):
        return opening.opened(state, facts, case)
    if isinstance(facts, Enrolment):
        return _enrol(state, facts, case)
    if isinstance(facts, Adjustment):
        return adjusting.adjust(state, facts, case)
    raise TypeError(f"{facts.kind} is no command of a caller's")


def _purchase(state: MemberState, facts: Purchase, case: Case) -> Effect:
    _check_sale(facts, case.rules)
    context = _context(state, case)
    state, earned, steps = _earn(state, facts, _occasion(facts, context, case), case)
    state, paid = holds.pay(state, facts, case, first=len(earned)) if case.named else (state, holds.Paid())
    if paid.captured:
        context = {**context, "captured": paid.captured}
    schedules: tuple[Scheduled, ...] = ()
    if state.referral is ReferralState.CLAIMED:
        state, schedules = referrals.qualified(
            state,
            facts,
            case.rules,
            occurred_at=case.occurred_at,
            due_at=case.moment.recorded_at,
            cause=case.command.id,
            silent=case.moment.silent,
        )
    tells = (*_earned(earned), *paid.tells)
    return Effect(state, (*earned, *paid.entries), (*steps, *paid.steps), context, tells, schedules, flags=paid.flags)


def _activity(state: MemberState, facts: Activity, case: Case) -> Effect:
    context = _context(state, case)
    state, entries, steps = _earn(state, None, _occasion(facts, context, case, activity=facts.activity), case)
    tells = ((messages.ACTIVITY, {"activity": facts.activity}), *_earned(entries))
    return Effect(state, entries, steps, context, tells)


def _enrol(state: MemberState, facts: Enrolment, case: Case) -> Effect:
    for identity in facts.identities:
        owner = case.identities.get(identity.digest)
        if owner is not None:
            raise Refused(IdentityTaken(identity.kind, owner))
    code = referral_code.make(case.moment.ids.random(8))
    state = state._replace(enrolled_at=case.occurred_at, referral_code=code)
    context = {"code": code}
    extra: dict[str, str] = {}
    if facts.referral_code is not None:
        referrer = case.identities.get(facts.referral_code.digest)
        if referrer is None:
            raise Refused(UnknownReferralCode())
        state = referrals.claimed(state, referrer=referrer, rules=case.rules, occurred_at=case.occurred_at)
        context["referrer"] = referrer.hex()
        extra["referrer"] = typeid.encode(typeid.MEMBER, referrer)
    if facts.opening:
        return Effect(state, context=context, tells=((messages.ENROLLED, extra),))
    state, entries, steps = _earn(state, None, _occasion(facts, _context(state, case), case), case)
    return Effect(state, entries, steps, context, ((messages.ENROLLED, extra), *_earned(entries)))


def _context(state: MemberState, case: Case) -> Mapping[str, Any]:
    """What besides the facts was judged: the tiers held when it occurred, by what was recorded before (A6, E2)."""
    held = {ladder.code: tiers.held_at(case.occurred_at, state.tiers, ladder) for ladder in case.rules.ladders}
    return {"tiers": held} if held else {}


def _occasion(
    facts: Purchase | Activity | Enrolment, context: Mapping[str, Any], case: Case, *, activity: str | None = None
) -> Occasion:
    return Occasion(
        kind=facts.kind,
        occurred_at=case.occurred_at,
        tiers=frozenset(context.get("tiers", {}).values()),
        source=case.command.source,
        activity=activity,
        channel=facts.channel,
        location=facts.location,
    )


def _earn(
    state: MemberState, goods: Purchase | None, occasion: Occasion, case: Case
) -> tuple[MemberState, tuple[Entry, ...], tuple[accrual.Step, ...]]:
    """Credits what the rules give on this occasion."""
    gained = accrual.earned(goods, occasion, case.rules)
    now, credits = case.moment.judged_at, []
    for code, amount in gained.points:
        unit = case.rules.units[code]
        credits.append((unit, amount, lots.dates(unit, occurred_at=case.occurred_at, now=now, zone=case.rules.zone)))
    state, entries = lots.credit_state(state, credits, now=now)
    return state, entries, gained.steps


def _earned(entries: tuple[Entry, ...]) -> tuple[Tell, ...]:
    return ((messages.EARNED, {"points": posting.by_unit(entries)}),) if entries else ()


def _check_sale(facts: Purchase, rules: Rules) -> None:
    if facts.currency not in rules.currencies:
        raise Refused(UnlistedCurrency(facts.currency, tuple(rules.currencies)))
    lines = sum(line.amount for line in facts.lines)
    if lines != facts.total and 2 * abs(lines - facts.total) > rules.cash_rounding.get(facts.currency, 0):
        decimals = rules.currencies[facts.currency]
        raise Refused(TotalMismatch(facts.currency, facts.total, lines, decimals))
