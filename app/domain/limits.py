"""What caps leave when an event is judged, and what it uses of them: of a member, and of the whole program (A5).

The room under each cap is kept in the event's context, so that what is left of its goods is asked with the same (R2).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.domain import periods, usage
from app.domain.combining import Cap, Per, Room
from app.domain.commands import Activity, Cancellation, Command, Enrolment, Purchase, PurchaseChange, Return
from app.domain.rules import Rules, Versions
from app.domain.stacking import Used
from app.domain.state import MemberState, Usage

ROOM, FREE = "room", "free"
"""Where a context tells the room under each cap as judged; and, of goods that came back, what was left of it then."""


def room(state: MemberState, rules: Rules, kind: str, occurred_at: datetime) -> dict[str, list[int | None]]:
    """What is left under each cap that an event of a kind reads, in the period that holds it, by counter."""
    found: dict[str, list[int | None]] = {}
    for cap in rules.limits.get(kind, ()):
        used = _used(state, cap, rules, occurred_at)
        left = [_left(cap.points, used.points), _left(cap.times, used.times)]
        known = found.setdefault(cap.counter, left)
        found[cap.counter] = [_least(one, other) for one, other in zip(known, left, strict=True)]
    return found


def counted(
    state: MemberState,
    rules: Rules,
    kind: str,
    *,
    at: datetime,
    now: datetime,
    kept: timedelta,
    used: Sequence[Used],
    before: Sequence[Used] = (),
) -> MemberState:
    """The state after an event that occurred `at` uses this much of the caps, where it used so much `before`."""
    moved = _differences(before, used) if before or used else None
    if not moved:
        return state
    own: list[Usage] = []
    shared: list[Usage] = []
    for cap in {cap.counter: cap for cap in rules.limits[kind]}.values():
        if cap.counter in moved:
            points, times = moved[cap.counter]
            bounds = _bounds(state, cap, rules, at)
            (shared if cap.per is Per.PROGRAM else own).append(Usage(cap.counter, *bounds, points, times))
    if own:
        state = usage.added(state, own, now=now, kept=kept)
    return state._replace(shared=usage.moved(state.shared, shared, now=now, kept=kept)) if shared else state


def exceeded(
    state: MemberState, rules: Rules, kind: str, at: datetime, *, used: Iterable[Used], before: Iterable[Used]
) -> bool:
    """Whether more is used than there was before, and than is left: others may have used the room meanwhile."""
    left = room(state, rules, kind, at)
    moved = _differences(before, used)
    return any(
        more > 0 and free is not None and more > free
        for counter, amounts in moved.items()
        for more, free in zip(amounts, left[counter], strict=True)
    )


def again(free: Mapping[str, Room], before: Iterable[Used]) -> dict[str, list[int | None]]:
    """The room under each cap for goods that used so much `before`: that, and what is left."""
    mine = {counter: amounts for counter, *amounts in before}
    return {
        counter: [
            None if left is None else left + own for left, own in zip(rest, mine.get(counter, (0, 0)), strict=True)
        ]
        for counter, rest in free.items()
    }


def judged_as(command: Command) -> tuple[str, ...]:
    """The kinds of events that deciding on a command may judge by their caps, or judge again."""
    kinds = _JUDGED_AS.get(type(command.facts), ())
    return (*kinds, *SETTLED_AS, *((Enrolment.kind,) if command.member.enrol else ()))


SETTLED_AS = ("scheduled",)
"""The kinds that settling may judge by their caps."""
_JUDGED_AS: Mapping[type, tuple[str, ...]] = {
    Purchase: (Purchase.kind,),
    PurchaseChange: (Purchase.kind,),
    Return: (Purchase.kind,),
    Cancellation: (Purchase.kind, Activity.kind),
    Activity: (Activity.kind,),
    Enrolment: (Enrolment.kind,),
}


def shared_counters(versions: Versions, kinds: Iterable[str]) -> frozenset[str]:
    """The counters of caps over all members that events of these kinds may read, under any version."""
    return frozenset(
        cap.counter
        for rules in versions.all
        for kind in kinds
        for cap in rules.limits.get(kind, ())
        if cap.per is Per.PROGRAM
    )


def recalled(context: Mapping[str, Any], rules: Rules, kind: str, at: datetime) -> dict[tuple[str, datetime], Usage]:
    """The usage over all members as an event found it, from its context: what its room was short of the caps."""
    rooms = context.get(FREE) or context.get(ROOM) or {}
    found = {}
    for cap in rules.limits.get(kind, ()):
        if cap.per is Per.PROGRAM and cap.counter in rooms:
            since, until = periods.bounds(cap.within, at, zone=rules.zone, enrolled_at=None)
            points, times = rooms[cap.counter]
            found[cap.counter, since] = Usage(
                cap.counter, since, until, _short(cap.points, points), _short(cap.times, times)
            )
    return found


def _short(most: int | None, left: int | None) -> int:
    return 0 if most is None or left is None else most - left


def _used(state: MemberState, cap: Cap, rules: Rules, at: datetime) -> Usage:
    since, _ = _bounds(state, cap, rules, at)
    known = state.shared if cap.per is Per.PROGRAM else state.usage
    return known.get((cap.counter, since)) or Usage(cap.counter, since, None)


def _bounds(state: MemberState, cap: Cap, rules: Rules, at: datetime) -> tuple[datetime, datetime | None]:
    return periods.bounds(cap.within, at, zone=rules.zone, enrolled_at=state.enrolled_at)


def _left(most: int | None, used: int) -> int | None:
    return None if most is None else max(0, most - used)


def _least(one: int | None, other: int | None) -> int | None:
    found = [limit for limit in (one, other) if limit is not None]
    return min(found, default=None)


def _differences(before: Iterable[Used], after: Iterable[Used]) -> dict[str, Sequence[int]]:
    """How much more of each counter is used after than before."""
    was = {counter: amounts for counter, *amounts in before}
    now = {counter: amounts for counter, *amounts in after}
    none = (0, 0)
    moved = {
        counter: [a - b for a, b in zip(now.get(counter, none), was.get(counter, none), strict=True)]
        for counter in sorted(was.keys() | now.keys())
    }
    return {counter: amounts for counter, amounts in moved.items() if any(amounts)}
