"""The door of the core: what a command does to a member, or why it must not (architecture §4)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.domain import (
    adjusting,
    chain,
    commands,
    dating,
    earning,
    encoding,
    flooring,
    fulfilling,
    holds,
    milestones,
    opening,
    posting,
    redemption,
    referrals,
    reopening,
    returning,
    reversing,
    reviews,
    reviving,
    schedules,
    settling,
    transfers,
)
from app.domain.commands import (
    CLOCK,
    Activity,
    Adjustment,
    Cancellation,
    Capture,
    Command,
    Enrolment,
    Fulfilment,
    Hold,
    LooseReturn,
    Mode,
    Opening,
    Purchase,
    PurchaseChange,
    Redemption,
    Reference,
    ReferralClaim,
    ReferralReview,
    Release,
    Return,
    TierFloor,
    Transfer,
    TransferIn,
    TransferReversal,
)
from app.domain.effects import NOTHING_BESIDE, Beside, Case, Effect, Identities, Other
from app.domain.events import Decision, Earlier, Posted
from app.domain.posting import Draft, Ids, Moment
from app.domain.refusals import (
    NotAfterPassed,
    Refused,
    TooEarly,
    TooLate,
)
from app.domain.rules import OutOfTime, Versions
from app.domain.state import MemberState, Scheduled

CLOCK_CORRECTED = "clock_corrected"
"""Flag: the event was taken at its recording, because its own time was beyond the limits (semantics E3)."""

ADMITTED = "admitted"
"""Flag: the event had been refused, and somebody let it in (semantics E3)."""

_COLLECTING = 3
"""The engine since which what was settled for a command may fill a card before it, as it does for the worker."""

_DRAWING = Redemption | Hold | Opening | Adjustment | LooseReturn | Transfer
_SHORTEST_LIFE = timedelta(hours=20)
"""No lot that lives for a period of time ends sooner: to the end of a day on at least, and a day may have 23 hours."""


def needs_lots(command: Command, versions: Versions, *, now: datetime, joined: datetime | None = None) -> bool:
    """Whether deciding on this command draws on lots, or may open one that is born expired (semantics L10).

    `joined` is when the member did; None where the command enrols them.

    Settling what is due needs them in any case.
    """
    if isinstance(command.facts, _DRAWING) or commands.names(command) or versions.consuming:
        return True
    if not versions.all or (now - command.occurred_at < _SHORTEST_LIFE and not versions.brief):
        return False
    rules, at = versions.at(command.occurred_at), command.occurred_at
    seen = (
        dating.first_seen_to(unit, occurred_at=at, now=now, zone=rules.zone, joined=joined or at)
        for unit in rules.units.values()
    )
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


def later_of(moment: Moment, other: MemberState) -> Moment:
    """The moment at which two members are judged together: past for neither of them."""
    return moment._replace(
        recorded_at=max(moment.recorded_at, other.recorded_at or moment.recorded_at),
        judged_at=max(moment.judged_at, other.recorded_at or moment.judged_at, other.judged_at or moment.judged_at),
    )


def decide(
    state: MemberState,
    command: Command,
    moment: Moment,
    *,
    digest: bytes,
    facts: bytes,
    identities: Identities,
    beside: Beside = NOTHING_BESIDE,
) -> Decision:
    """What the command does: settle what is due, enrol whom it names first if so asked, then its own event.

    `facts` and `digest` are the command's as `chain` makes them. What it does to another member who is `beside` is
    decided too; a proof, which has one member's rows only, leaves that out. A refusal leaves states as they were.
    """
    try:
        occurred_at = _taken_at(command, moment)
        rules = moment.versions.at(occurred_at)
        case = Case(command, moment, occurred_at, rules, facts, digest, identities, beside)
        return _decide(state, case)
    except Refused as refused:
        return Decision(state, refusal=refused.refusal)


def settle(state: MemberState, moment: Moment) -> Decision:
    """Only what is due: how the worker writes down expiries and runs scheduled commands (semantics L7)."""
    settled, events = settling.settle(state, moment)
    if not events:  # what was scheduled may be over, or have moved on, without an event
        return Decision(state if settled.scheduled == state.scheduled else state._replace(scheduled=settled.scheduled))
    following = _following(events)
    settled, reached, armed = _collected(settled, events, moment)
    return Decision(settled, (*events, *reached), schedules=(*following, *armed))


def _collected(
    state: MemberState, settled: Sequence[Posted], moment: Moment
) -> tuple[MemberState, Sequence[Posted], Sequence[Scheduled]]:
    """What milestones consume after what was settled, since points that waited may fill a card; and what that arms."""
    if not (settled and moment.versions.consuming):
        return state, (), ()
    last = settled[-1].recorded
    rules = moment.versions.at(last.effective_at)
    state, reached = milestones.collect(state, moment, rules, cause=last.id, at=last.effective_at)
    state, armed = schedules.armed(state, [one.recorded for one in reached], moment)
    return state, reached, armed


def _decide(state: MemberState, case: Case) -> Decision:
    moment = case.moment
    events: list[Posted] = []
    arming: list[Posted] = []
    if state.enrolled_at is None and not isinstance(case.command.facts, Enrolment):
        state, enrolled = _enrol_first(state, case)
        events.append(enrolled)
        arming.append(enrolled)
    state, settled = settling.settle(state, moment)
    collected: Sequence[Scheduled] = ()
    if moment.engine >= _COLLECTING:  # so that it makes no difference whether the worker came first (K2)
        state, reached, collected = _collected(state, settled, moment)
        settled, case = (*settled, *reached), _reached(case, reached)
    state, revived = reviving.revive(state, case, settled)
    arming += revived
    if revived:  # what waited then may be active by now
        state, begun = settling.settle(state, moment)
        settled = (*settled, *revived, *begun)
    state, reopened = reopening.reopen(state, case, settled)
    events += (*settled, *reopened)
    effect = _effect(state, _since_settled(case, settled) if settled and case.beside.named else case)
    state, own = _post(effect, case)
    after = [own]
    if case.moment.versions.milestones:
        state, reached = milestones.follow(state, own.recorded, case)
        after += reached
    state, restored = reviews.undo(state, own.recorded, moment)
    after += restored
    events += after
    state, armed = schedules.armed(state, [one.recorded for one in (*arming, *after)], moment)
    if settling.next_instant(state, now=moment.judged_at) is not None:  # a lot may be born expired (semantics L10)
        state, settled = settling.settle(state, moment._replace(settled_until=moment.judged_at))
        events.extend(settled)
    if moment.silent:
        state = state._replace(quiet_before=moment.recorded_at)
    other = case.beside.other
    others = () if effect.elsewhere is None or other is None else (_elsewhere(*effect.elsewhere, other, case),)
    following = (*_following(events), *collected, *effect.schedules, *armed)
    return Decision(state, tuple(events), own=own.recorded, schedules=following, others=others)


def _reached(case: Case, posted: Sequence[Posted]) -> Case:
    """The case with milestones that have just been reached: its event may take them back."""
    if not posted:
        return case
    known = (*case.beside.milestones, *(one.recorded for one in posted))
    return case._replace(beside=case.beside._replace(milestones=known))


def _following(events: Sequence[Posted]) -> tuple[Scheduled, ...]:
    """What the clock brings in turn."""
    return tuple(scheduled for one in events for scheduled in one.schedules)


def _since_settled(case: Case, settled: tuple[Posted, ...]) -> Case:
    """The case with what has just been settled about the events it names, such as the time-out of a hold."""

    def followed(earlier: Earlier | None) -> Earlier | None:
        if earlier is None:
            return None
        more = [one.recorded for one in settled if one.recorded.about == earlier.event.id]
        return earlier._replace(followers=(*earlier.followers, *more)) if more else earlier

    return case._replace(beside=case.beside._replace(named=tuple(map(followed, case.beside.named))))


def _elsewhere(key: str, facts: TransferIn | TransferReversal, other: Other, case: Case) -> Decision:
    """What a command does to the second member: a command of its own, so that it can be decided again by itself."""
    command = Command(
        id=case.moment.ids.fresh(),
        source=CLOCK,
        key=key,
        member=Reference(other.state.id),
        occurred_at=case.occurred_at,
        facts=facts,
    )
    encoded, digest = encoding.encode_facts(facts), bytes(chain.DIGEST_BYTES)
    beside = Beside(named=(None if other.received is None else Earlier(other.received),))
    return _decide(other.state, Case(command, case.moment, case.occurred_at, case.rules, encoded, digest, {}, beside))


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
        command=enrolment,
        facts=encoding.encode_facts(facts),
        digest=bytes(chain.DIGEST_BYTES),
        identities={},
        beside=case.beside._replace(seen=None),
    )
    return _post(earning.enrol(state, facts, first), first)


def _effect(state: MemberState, case: Case) -> Effect:
    decide = _EFFECTS.get(type(case.command.facts))
    if decide is None:
        raise TypeError(f"{case.command.facts.kind} is no command of a caller's")
    return decide(state, case.command.facts, case)


_EFFECTS: Mapping[type, Callable[[MemberState, Any, Case], Effect]] = {
    Purchase: earning.purchase,
    PurchaseChange: returning.change,
    Return: returning.bring_back,
    LooseReturn: returning.bring_back_loose,
    Fulfilment: fulfilling.fulfil,
    Activity: earning.activity,
    Redemption: redemption.redeem,
    Hold: holds.place,
    Capture: holds.capture,
    Release: holds.release,
    Cancellation: reversing.cancel,
    Adjustment: adjusting.adjust,
    Opening: opening.opened,
    Enrolment: earning.enrol,
    TierFloor: flooring.set_floor,
    ReferralClaim: referrals.claim,
    ReferralReview: referrals.review,
    Transfer: transfers.give,
    TransferIn: transfers.receive,
    TransferReversal: transfers.take_back,
}
"""What each kind of command does."""
