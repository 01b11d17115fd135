"""Taking back what an earlier event gave: the event itself, the points, and how that is told (semantics R1, R3)."""

from collections.abc import Container, Mapping
from typing import Any

from app.domain import dating, lots, messages, posting, typeid
from app.domain.effects import Case
from app.domain.events import Earlier, Entry, Recorded
from app.domain.lots import Place
from app.domain.posting import Tell
from app.domain.refusals import NotReversible, OtherMembersEvent, Refused, UnknownEvent
from app.domain.rules import Rules
from app.domain.state import MemberState
from app.domain.steps import Step
from app.domain.units import AwaitsFulfilment


def named(state: MemberState, case: Case, *, kinds: tuple[str, ...]) -> Earlier:
    """The event that is named. Raises Refused unless it is the member's, and of one of these kinds."""
    (earlier,) = case.beside.named
    if earlier is None:
        raise Refused(UnknownEvent())
    if earlier.event.member_id != state.id:
        raise Refused(OtherMembersEvent())
    if earlier.event.kind not in kinds:
        raise Refused(NotReversible(earlier.event.kind, kinds))
    return earlier


def take_back(
    state: MemberState, earlier: Earlier, wanted: Mapping[str, int], rules: Rules, case: Case, *, first: int = 0
) -> tuple[MemberState, tuple[Entry, ...], dict[str, int]]:
    """Takes these points back that the event gave, unit by unit, as entries from `first` on; with what was forgiven.

    Points below zero are given: what is left may earn more without what came back, where that took its share of a step.
    """
    own = {event.sequence for event in (earlier.event, *earlier.followers)}
    state, entries, forgiven = take(state, wanted, rules, case, own=own, first=first)
    credits, now = [], case.moment.judged_at
    for code, points in wanted.items():
        if points < 0:
            unit = rules.units[code]
            dates = dating.dates_of_goods(
                unit, occurred_at=earlier.event.occurred_at, now=now, zone=rules.zone, joined=state.enrolled_at
            )
            if isinstance(unit.pending, AwaitsFulfilment):  # more goods, which have yet to arrive
                dates = dating.dates_of_goods(
                    unit, occurred_at=case.occurred_at, now=now, zone=rules.zone, joined=state.enrolled_at
                )
            credits.append((unit, -points, dates))
    state, given = lots.credit_state(state, credits, now=now, first=first + len(entries))
    return state, (*entries, *given), forgiven


def take(
    state: MemberState,
    wanted: Mapping[str, int],
    rules: Rules,
    case: Case,
    *,
    own: Container[int],
    first: int = 0,
) -> tuple[MemberState, tuple[Entry, ...], dict[str, int]]:
    """Takes points that the events of these numbers gave, unit by unit; with what had to be forgiven (semantics R3)."""
    entries: list[Entry] = []
    forgiven: dict[str, int] = {}
    for code, points in wanted.items():
        if points > 0:
            place = Place(state.sequence + 1, first + len(entries))
            state, entry = lots.take(
                state,
                rules.units[code],
                points,
                own=own,
                shortage=case.rules.shortage,
                at=place,
                now=case.moment.judged_at,
            )
            if entry is not None:
                entries.append(entry)
            taken = -entry.points if entry is not None else 0
            if taken < points:
                forgiven[code] = points - taken
    return state, tuple(entries), forgiven


def forgiven_steps(forgiven: Mapping[str, int]) -> list[Step]:
    """The explanation of what was forgiven."""
    return [("", unit, "forgiven", str(points)) for unit, points in forgiven.items()]


def context(earlier: Earlier, forgiven: Mapping[str, int]) -> dict[str, Any]:
    """What an event keeps of the one that it undoes."""
    return {"of": earlier.event.id.hex()} | ({"forgiven": forgiven} if forgiven else {})


def told(entries: tuple[Entry, ...], event: Recorded) -> tuple[Tell, ...]:
    """The messages about points taken back, and about points given all the same."""
    taken = tuple(entry for entry in entries if entry.points < 0)
    given = tuple(entry for entry in entries if entry.points > 0)
    tells: list[Tell] = []
    if taken:
        tells.append((messages.REVERSED, {"points": posting.by_unit(taken), "of": id_of(event)}))
    if given:
        tells.append((messages.EARNED, {"points": posting.by_unit(given)}))
    return tuple(tells)


def restored(entries: tuple[Entry, ...], event: Recorded) -> tuple[Tell, ...]:
    """The message about points spent that are back."""
    return ((messages.RESTORED, {"points": posting.by_unit(entries), "of": id_of(event)}),) if entries else ()


def id_of(event: Recorded) -> str:
    """The event's id as callers see it."""
    return typeid.encode(typeid.EVENT, event.id)
