"""Writing down what the clock has already made true: expiries and scheduled commands, instant by instant (L7)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.domain import calendar, chain, holds, lots, messages, notices, posting, referrals, reserves, schedules, typeid
from app.domain.accrual import Step
from app.domain.commands import CLOCK, Occurrence, ReferralBonus, ReferralReversal
from app.domain.events import Entry, Posted
from app.domain.posting import Draft, Moment, Tell
from app.domain.rules import FORGIVEN, Rules
from app.domain.state import MemberState, OpenLot, Scheduled

ACTIVATION, EXPIRY = "activation", "expiry"


def next_instant(state: MemberState, *, now: datetime) -> datetime | None:
    """The earliest instant at or before `now` at which something is due to the member, or None."""
    dues = [a.next_due_at for a in state.accounts.values() if a.next_due_at is not None and a.next_due_at <= now]
    dues += [scheduled.due_at for scheduled in state.scheduled if scheduled.due_at <= now]
    return min(dues) if dues else None


def settle(state: MemberState, moment: Moment) -> tuple[MemberState, tuple[Posted, ...]]:
    """Everything due to the member up to the moment, each event effective at its own instant; again writes nothing.

    Within an instant: notices, hold time-outs, activations, expiries, schedules (semantics T3). Needs all open lots
    where an account is due.
    """
    events: list[Posted] = []
    while (instant := next_instant(state, now=moment.judged_at)) is not None:
        state, expired = _lots_due(state, instant, moment)
        state, ran = _run_scheduled(state, instant, moment)
        events += [*expired, *ran]
    return state, tuple(events)


def _lots_due(state: MemberState, instant: datetime, moment: Moment) -> tuple[MemberState, list[Posted]]:
    due = sorted(u for u, a in state.accounts.items() if a.next_due_at is not None and a.next_due_at <= instant)
    if due and not state.lots_loaded:
        raise ValueError("settling needs the member's open lots")
    state, noticed = _notify(state, due, instant, moment)
    state, lapsed = _time_out(state, instant, moment) if due else (state, [])
    state, begun = _activate(state, due, instant, moment)
    state, ended = _expire(state, due, instant, moment)
    return state, [*noticed, *lapsed, *begun, *ended]


def _notify(
    state: MemberState, units: Sequence[str], instant: datetime, moment: Moment
) -> tuple[MemberState, list[Posted]]:
    """Ends that lie ahead are told, each once (semantics L16); posting says when the next one is."""
    events = []
    for unit in units:
        while (at := (account := state.accounts[unit]).notice_at) is not None and at <= instant:
            coming = notices.soonest(state, account)
            told_until = account.told_until if coming is None else coming[0]
            state = lots.with_account(state, account._replace(notice_at=None, told_until=told_until))
            if coming is not None:
                state, posted = _notice(state, unit, *coming, instant=instant, moment=moment)
                events.append(posted)
    return state, events


def _notice(
    state: MemberState, unit: str, end: datetime, points: int, *, instant: datetime, moment: Moment
) -> tuple[MemberState, Posted]:
    rules, said = moment.versions.at(instant), {"points": {unit: points}}
    last_day = calendar.local_day(end - timedelta.resolution, rules.zone).isoformat()
    draft = _draft(
        notices.NOTICE,
        f"ntc:{state.id.hex()}:{state.sequence + 1}",
        instant,
        rules,
        moment,
        tells=((messages.EXPIRING, {**said, "expires_at": messages.time_text(end), "valid_until": last_day}),),
    )
    return posting.post(state, draft._replace(context={**said, "expires_at": chain.micros(end)}), moment)


def _time_out(state: MemberState, instant: datetime, moment: Moment) -> tuple[MemberState, list[Posted]]:
    """Holds that have lapsed give up what they kept (semantics L12)."""
    events = []
    for hold, hold_id, unit in reserves.lapsed(state, instant):
        place = lots.Place(state.sequence + 1, 0)
        state, freed = reserves.free(state, unit, hold=hold, at=place, instant=instant)
        said = {"points": {unit: freed.points}, "of": typeid.encode(typeid.EVENT, hold_id)}
        draft = _draft(
            holds.TIMEOUT,
            f"hto:{hold_id.hex()}",
            instant,
            moment.versions.at(instant),
            moment,
            entries=() if freed.entry is None else (freed.entry,),
            tells=((messages.HOLD_EXPIRED, said),),
        )
        steps = (("", unit, "freed", str(freed.points)),)
        draft = draft._replace(context={"of": hold_id.hex()}, about=hold_id, steps=steps)
        state, posted = posting.post(state, draft, moment)
        events.append(posted)
    return state, events


def _activate(
    state: MemberState, units: Sequence[str], instant: datetime, moment: Moment
) -> tuple[MemberState, list[Posted]]:
    events = []
    for unit in units:
        place = lots.Place(state.sequence + 1, 0)
        state, points, paying = lots.activate(state, unit, instant=instant, at=place)
        if points:
            said = {"points": {unit: points}}
            draft = _draft(
                ACTIVATION,
                f"act:{state.id.hex()}:{place.sequence}",
                instant,
                moment.versions.at(instant),
                moment,
                entries=() if paying is None else (paying,),
                tells=((messages.AVAILABLE, said),),
            )
            state, posted = posting.post(state, draft._replace(context=said), moment)
            events.append(posted)
    return state, events


def _expire(
    state: MemberState, units: Sequence[str], instant: datetime, moment: Moment
) -> tuple[MemberState, list[Posted]]:
    events = []
    for unit in units:
        place = lots.Place(state.sequence + 1, 0)
        state, entry = lots.expire(state, unit, instant=instant, at=place)
        if entry is not None:
            draft = _draft(
                EXPIRY,
                f"exp:{state.id.hex()}:{place.sequence}",
                instant,
                moment.versions.at(instant),
                moment,
                entries=(entry,),
                tells=((messages.EXPIRED, {"points": {unit: -entry.points}}),),
            )
            state, posted = posting.post(state, draft, moment)
            events.append(posted)
    return state, events


def _run_scheduled(state: MemberState, instant: datetime, moment: Moment) -> tuple[MemberState, list[Posted]]:
    events = []
    for scheduled in sorted((s for s in state.scheduled if s.due_at <= instant), key=lambda s: s.key):
        left = tuple(s for s in state.scheduled if s is not scheduled)
        state = state._replace(scheduled=left)
        if scheduled.kind == Occurrence.kind:
            state, occurred = _occur(state, scheduled, moment)
            events += occurred
            continue
        run = _take_bonus if scheduled.kind == ReferralReversal.kind else _pay_bonus
        state, posted = run(state, scheduled, moment)
        events.append(posted)
    return state, events


def _occur(state: MemberState, scheduled: Scheduled, moment: Moment) -> tuple[MemberState, list[Posted]]:
    """What a schedule of the program brings; or its row moves on, where what it waits for has begun anew (K3)."""
    rules = moment.versions.numbered(scheduled.rules_version)
    later = schedules.moved_on(state, scheduled, rules)
    if later is not None:
        return state._replace(scheduled=(*state.scheduled, later)), []
    following = schedules.again(state, scheduled, rules)
    state, draft = schedules.occur(state, scheduled, rules, moment)
    state, posted = posting.post(state, draft, moment)
    if following is not None and all(row.key != following.key for row in state.scheduled):  # a proof knows it already
        state = state._replace(scheduled=(*state.scheduled, following))
    return state, [posted]


def _pay_bonus(state: MemberState, scheduled: Scheduled, moment: Moment) -> tuple[MemberState, Posted]:
    """A referral bonus that has fallen due (semantics F2); its derived key makes it happen once (F5)."""
    bonus = chain.decode_facts(scheduled.kind, scheduled.facts)
    assert isinstance(bonus, ReferralBonus)
    rules = moment.versions.numbered(scheduled.rules_version)
    unit = rules.units[bonus.unit]
    dates = lots.dates(unit, occurred_at=scheduled.due_at, now=scheduled.due_at, zone=rules.zone)
    state = referrals.rewarded(state, bonus)
    state, (entry,) = lots.credit_state(state, [(unit, bonus.points, dates)], now=scheduled.due_at)
    points = {bonus.unit: bonus.points}
    referee = typeid.encode(typeid.MEMBER, bonus.referee)
    tells = (
        (messages.EARNED, {"points": points}),
        (messages.REWARDED, {"points": points, "side": bonus.side, "referee": referee}),
    )
    steps = (("referral", bonus.unit, "fixed", str(bonus.points)),)
    return _post_scheduled(state, scheduled, moment, entries=(entry,), tells=tells, steps=steps)


def _take_bonus(state: MemberState, scheduled: Scheduled, moment: Moment) -> tuple[MemberState, Posted]:
    """A referral bonus taken back (semantics R5); what is no longer there is forgiven (F3)."""
    reversal = chain.decode_facts(scheduled.kind, scheduled.facts)
    assert isinstance(reversal, ReferralReversal)
    rules = moment.versions.numbered(scheduled.rules_version)
    unit = rules.units[reversal.unit]
    entry = None
    if unit.code in state.accounts:
        place, given_at = lots.Place(state.sequence + 1, 0), chain.instant(reversal.given_at)
        own = {max((lot.sequence for lot in state.lots if _is_bonus(lot, reversal, given_at)), default=0)}
        state, entry = lots.take(
            state, unit, reversal.points, own=own, shortage=FORGIVEN, at=place, now=scheduled.due_at
        )
    taken = -entry.points if entry is not None else 0
    referee = typeid.encode(typeid.MEMBER, reversal.referee)
    tells: tuple[Tell, ...] = (
        (messages.REFERRAL_REVERSED, {"points": {unit.code: taken}, "side": reversal.side, "referee": referee}),
    )
    if entry is not None:
        tells = ((messages.REVERSED, {"points": {unit.code: taken}}), *tells)
    steps: tuple[Step, ...] = (("referral", unit.code, "taken", str(taken)),)
    if taken < reversal.points:
        steps += (("referral", unit.code, "forgiven", str(reversal.points - taken)),)
    entries = () if entry is None else (entry,)
    return _post_scheduled(state, scheduled, moment, entries=entries, tells=tells, steps=steps)


def _is_bonus(lot: OpenLot, reversal: ReferralReversal, given_at: datetime) -> bool:
    """Whether a lot may be that of the bonus; of several such, the one that was posted last is."""
    return (lot.unit, lot.credited, lot.occurred_at) == (reversal.unit, reversal.points, given_at)


def _post_scheduled(
    state: MemberState,
    scheduled: Scheduled,
    moment: Moment,
    *,
    entries: tuple[Entry, ...],
    tells: tuple[Tell, ...],
    steps: tuple[Step, ...],
) -> tuple[MemberState, Posted]:
    """The event of a scheduled command, under the version that scheduled it."""
    rules, due_at = moment.versions.numbered(scheduled.rules_version), scheduled.due_at
    draft = _draft(
        scheduled.kind, scheduled.key, due_at, rules, moment, entries=entries, tells=tells, facts=scheduled.facts
    )
    return posting.post(state, draft._replace(steps=steps, context={"cause": scheduled.cause.hex()}), moment)


def _draft(
    kind: str,
    key: str,
    instant: datetime,
    rules: Rules,
    moment: Moment,
    *,
    entries: tuple[Entry, ...] = (),
    tells: tuple[Tell, ...],
    facts: bytes = b"",
) -> Draft:
    return Draft(
        id=moment.ids.fresh(),
        source=CLOCK,
        kind=kind,
        key=key,
        occurred_at=instant,
        effective_at=instant,
        rules=rules,
        digest=bytes(chain.DIGEST_BYTES),
        facts=facts,
        context={},
        entries=entries,
        tells=tells,
        as_of=instant,
    )
