"""Writing down what the clock has already made true: expiries and scheduled commands, instant by instant (L7)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from app.domain import (
    bonuses,
    calendar,
    chain,
    holds,
    lots,
    messages,
    notices,
    posting,
    referrals,
    reserves,
    reviews,
    schedules,
    typeid,
)
from app.domain.commands import Occurrence, ReferralBonus, ReferralLapse, ReferralReversal
from app.domain.events import Posted
from app.domain.posting import Moment
from app.domain.runs import Run
from app.domain.state import MemberState, Scheduled

ACTIVATION, EXPIRY = "activation", posting.EXPIRY

_OWED_LEFT_OUT = 3
"""The engine since which a notice leaves out what will pay a deficit."""

_draft = posting.by_clock


def next_instant(state: MemberState, *, now: datetime) -> datetime | None:
    """The earliest instant at or before `now` at which something is due to the member, or None."""
    dues = [a.next_due_at for a in state.accounts.values() if a.next_due_at is not None and a.next_due_at <= now]
    dues += [scheduled.due_at for scheduled in state.scheduled if scheduled.due_at <= now]
    if state.tiers_due_at is not None and state.tiers_due_at <= now:
        dues.append(state.tiers_due_at)
    return min(dues) if dues else None


def settle(state: MemberState, moment: Moment) -> tuple[MemberState, tuple[Posted, ...]]:
    """Everything due to the member up to the moment, each event effective at its own instant; again writes nothing.

    Within an instant: notices, hold time-outs, activations, reviews, expiries, schedules (semantics T3). Needs all open
    lots where an account or a tier is due.
    """
    events: list[Posted] = []
    while (instant := next_instant(state, now=moment.judged_at)) is not None:
        state, expired = _lots_due(state, instant, moment)
        state = schedules.armed_by_clock(state, expired, moment)
        state, ran = _run_scheduled(state, instant, moment)
        state = schedules.armed_by_clock(state, ran, moment)
        events += [*expired, *ran]
    return state, tuple(events)


def _lots_due(state: MemberState, instant: datetime, moment: Moment) -> tuple[MemberState, list[Posted]]:
    due = sorted(u for u, a in state.accounts.items() if a.next_due_at is not None and a.next_due_at <= instant)
    looked_at = state.tiers_due_at is not None and state.tiers_due_at <= instant
    if (due or looked_at) and not state.lots_loaded:
        raise ValueError("settling needs the member's open lots")
    state, noticed = _notify(state, due, instant, moment)
    state, warned = reviews.notify(state, instant, moment)
    state, lapsed = _time_out(state, instant, moment) if due else (state, [])
    state, begun = _activate(state, due, instant, moment)
    state, reviewed = reviews.review(state, instant, moment)
    state, ended = _expire(state, due, instant, moment)
    return state, [*noticed, *warned, *lapsed, *begun, *reviewed, *ended]


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
            if coming is None:
                continue
            end, points = coming
            if account.deficit and moment.engine >= _OWED_LEFT_OUT:
                points = notices.left_by(end, state, account)
            if points:
                state, posted = _notice(state, unit, end, points, instant=instant, moment=moment)
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
    """Commands that have fallen due; what they were for may have passed: then they are over without an event."""
    events = []
    for scheduled in sorted((s for s in state.scheduled if s.due_at <= instant), key=lambda s: s.key):
        state = state._replace(scheduled=tuple(s for s in state.scheduled if s is not scheduled))
        if scheduled.kind == Occurrence.kind:
            state, occurred = _occur(state, scheduled, moment)
            events += occurred
            continue
        run = _RUNS[scheduled.kind](state, scheduled, moment)
        if run is not None:
            state, posted = _post_scheduled(scheduled, run, moment)
            events.append(posted)
    return state, events


def _occur(state: MemberState, scheduled: Scheduled, moment: Moment) -> tuple[MemberState, list[Posted]]:
    """What a schedule of the program brings; or its row moves on, where what it waits for has begun anew (K3)."""
    rules = moment.versions.numbered(scheduled.rules_version)
    later = schedules.moved_on(state, scheduled, rules)
    if later is not None:
        return state._replace(scheduled=(*state.scheduled, later)), []
    if schedules.is_over(state, scheduled, rules):
        return state, []
    following = schedules.again(scheduled, rules)
    state, draft = schedules.occur(state, scheduled, rules, moment)
    state, posted = posting.post(state, draft, moment)
    if following is not None and all(row.key != following.key for row in state.scheduled):  # a proof knows it already
        state = state._replace(scheduled=(*state.scheduled, following))
    return state, [posted]


def _lapse(state: MemberState, scheduled: Scheduled, moment: Moment) -> Run | None:
    progress = referrals.lapsed(state, scheduled, moment)
    return None if progress is None else Run(progress.state, tells=progress.tells)


_RUNS: Mapping[str, Callable[[MemberState, Scheduled, Moment], Run | None]] = {
    ReferralBonus.kind: bonuses.pay,
    ReferralReversal.kind: bonuses.take_back,
    ReferralLapse.kind: _lapse,
}
"""What each kind of scheduled command does."""


def _post_scheduled(scheduled: Scheduled, run: Run, moment: Moment) -> tuple[MemberState, Posted]:
    """The event of a scheduled command, under the version that scheduled it."""
    rules, due_at = moment.versions.numbered(scheduled.rules_version), scheduled.due_at
    draft = _draft(scheduled.kind, scheduled.key, due_at, rules, moment, tells=run.tells, facts=scheduled.facts)
    context = {"cause": scheduled.cause.hex(), **run.context}
    draft = draft._replace(entries=run.entries, steps=run.steps, context=context, schedules=run.schedules)
    return posting.post(run.state, draft, moment)
