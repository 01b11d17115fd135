"""Points kept aside for a purchase to come: placed, captured, released, or lapsed by the clock (semantics L12)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app.domain import chain, lots, messages, redemption, reserves, typeid
from app.domain.commands import Cancellation, Capture, Hold, Purchase, Release
from app.domain.effects import Case, Effect
from app.domain.events import Earlier, Entry, Recorded
from app.domain.lots import Place
from app.domain.posting import Tell
from app.domain.refusals import HoldSettled, MoreThanHeld, OtherMembersEvent, Refused, UnknownHold
from app.domain.reserves import Freed
from app.domain.state import MemberState
from app.domain.steps import Step

TIMEOUT = "hold_timeout"
LONGEST = timedelta(days=7)
"""How long a hold may keep points (semantics L12)."""
NOT_CAPTURED = "hold_not_captured"
"""Flag: a hold that was to pay for a purchase kept nothing any more (semantics A1)."""


UNCAPTURED: Step = ("", "", "not_captured", "0")
"""The explanation of that."""


class Placed(NamedTuple):
    """What a hold was placed for: points of a unit, until it lapses; `lots` are (sequence, position, points)."""

    unit: str
    points: int
    lapses_at: int
    lots: tuple[tuple[int, int, int], ...]


class Standing(NamedTuple):
    """How a hold stands: `open`, `captured`, `released` or `expired`, what it keeps, and what was captured of it."""

    state: str
    held: int
    captured: int


class Paid(NamedTuple):
    """What the holds named by a purchase paid of it."""

    entries: tuple[Entry, ...] = ()
    steps: tuple[Step, ...] = ()
    tells: tuple[Tell, ...] = ()
    captured: Mapping[str, int] = {}
    """The points of each hold that was captured, by its event's id in hex."""
    flags: tuple[str, ...] = ()
    about: bytes | None = None
    """A hold that had lapsed and was taken nevertheless: so that it is taken once."""


def place(state: MemberState, facts: Hold, case: Case) -> Effect:
    """Keeps points aside, of the lots that a redemption would draw from; no entry is posted."""
    unit = redemption.checked(state, facts, case.rules).code
    lasts = case.rules.hold_lasts if facts.lasts is None else timedelta(seconds=facts.lasts)
    lapses_at = case.moment.judged_at + lasts
    number = state.sequence + 1
    state = reserves.reserve(
        state,
        unit,
        facts.points,
        hold=number,
        hold_id=case.command.id,
        lapses_at=lapses_at,
        now=case.moment.judged_at,
    )
    reserved = [lot for lot in state.lots if lot.reserves]
    kept = [(lot.sequence, lot.position, r.points) for lot in reserved for r in lot.reserves if r.hold == number]
    context = {"unit": unit, "points": facts.points, "lapses_at": chain.micros(lapses_at), "lots": sorted(kept)}
    said = {"points": {unit: facts.points}, "lapses_at": messages.time_text(lapses_at)}
    steps = (("", unit, "held", str(facts.points)),)
    return Effect(state, steps=steps, context=context, tells=((messages.HELD, said),))


def placed(hold: Recorded) -> Placed:
    """What a hold's event says it was placed for."""
    context = chain.context_of(hold.content)
    kept = tuple((sequence, position, points) for sequence, position, points in context["lots"])
    return Placed(context["unit"], context["points"], context["lapses_at"], kept)


def capture(state: MemberState, facts: Capture, case: Case) -> Effect:
    """Spends points of a hold, soonest expiry first; a final capture frees the rest."""
    hold, kept = _open(state, case)
    unit = placed(hold).unit
    points = kept if facts.points is None else facts.points
    if points > kept:
        raise Refused(MoreThanHeld(unit, asked=points, held=kept))
    state, entry = reserves.spend(state, unit, points, hold=hold.sequence, at=Place(state.sequence + 1, 0))
    freed = Freed(0, None)
    if facts.final:
        state, freed = _free(state, hold, unit, case, position=1)
    left = 0 if facts.final else kept - points
    steps = (("", unit, "captured", str(points)), *_freed_steps(unit, freed))
    return _about(hold, state, (entry, *_entry(freed)), steps, _captured(hold, unit, points, left=left))


def release(state: MemberState, facts: Release | Cancellation, case: Case) -> Effect:
    """Gives a hold up: what it still keeps is freed (semantics L12, E6)."""
    hold, kept = _open(state, case)
    unit = placed(hold).unit
    state, freed = _free(state, hold, unit, case, position=0)
    tells = ((messages.RELEASED, {"points": {unit: kept}, "of": _id(hold)}),)
    return _about(hold, state, _entry(freed), _freed_steps(unit, freed), tells)


def pay(state: MemberState, facts: Purchase, case: Case, *, first: int) -> tuple[MemberState, Paid]:
    """Captures the holds that pay for a purchase, in its own event: entries from `first` on (semantics A1).

    A sale is a fact: where a hold keeps nothing any more, that is reported; by the program's choice, points of one that
    has lapsed are taken nevertheless, and owed as far as they are not there.
    """
    paid, seen = Paid(), set()
    for earlier in case.beside.named:
        if earlier is not None and earlier.event.id in seen:  # two payments of one hold
            continue
        seen.update([] if earlier is None else [earlier.event.id])
        at = Place(state.sequence + 1, first + len(paid.entries))
        state, one = _pay(state, earlier, case, at, taken=paid.about is not None)
        paid = Paid(
            (*paid.entries, *one.entries),
            (*paid.steps, *one.steps),
            (*paid.tells, *one.tells),
            {**paid.captured, **one.captured},
            paid.flags or one.flags,
            paid.about or one.about,
        )
    return state, paid


def standing(
    hold: Recorded, followers: Sequence[Recorded], purchases: Iterable[Recorded], *, now: datetime
) -> Standing:
    """How a hold stands by the instant; `followers` are about it, `purchases` those that it may have paid for."""
    made = placed(hold)
    captured = sum(-entry.points for event in followers for entry in event.entries if entry.points < 0)
    others = (one for one in purchases if one.about != hold.id)
    paid = sum(chain.context_of(one.content).get("captured", {}).get(hold.id.hex(), 0) for one in others)
    state = "open"
    for event in followers:
        ended = event.kind != Capture.kind or "final" not in json.loads(chain.decode_content(event.content).facts)
        state = _ENDS.get(event.kind, "captured") if ended else state
    if paid:
        state = "captured"
    if state == "open" and captured == made.points:
        state = "captured"
    if state == "open" and chain.instant(made.lapses_at) <= now:
        state = "expired"
    held = made.points - captured if state == "open" else 0
    return Standing(state, held, captured + paid)


def _pay(
    state: MemberState, earlier: Earlier | None, case: Case, at: Place, *, taken: bool
) -> tuple[MemberState, Paid]:
    if earlier is None or earlier.event.kind != Hold.kind or earlier.event.member_id != state.id:
        return state, Paid(steps=(UNCAPTURED,), flags=(NOT_CAPTURED,))
    hold = earlier.event
    unit, points = placed(hold).unit, reserves.kept(state, hold.sequence)
    if points:
        state, entry = reserves.spend(state, unit, points, hold=hold.sequence, at=at)
        tells = _captured(hold, unit, points, left=0)
        return state, Paid((entry,), (("", unit, "captured", str(points)),), tells, {hold.id.hex(): points})
    if taken or not case.rules.holds_may_owe or _settled(earlier) != "expired":
        return state, Paid(steps=(("", unit, "not_captured", "0"),), flags=(NOT_CAPTURED,))
    points = placed(hold).points + sum(e.points for f in earlier.followers for e in f.entries if e.points < 0)
    order = lots.active(state.lots, unit, now=case.moment.judged_at)
    state, entry = lots.redeem(state, case.rules.units[unit], points, order=order, at=at, owed=points)
    told = (messages.REDEEMED, {"points": {unit: points}})
    steps = (("", unit, "taken", str(points)),)
    return state, Paid((entry,), steps, (told,), {hold.id.hex(): points}, (NOT_CAPTURED,), hold.id)


def _open(state: MemberState, case: Case) -> tuple[Recorded, int]:
    """The hold that is named, and what it still keeps. Raises Refused where it is none of the member's, or settled."""
    (earlier,) = case.beside.named
    if earlier is None or earlier.event.kind != Hold.kind:
        raise Refused(UnknownHold())
    if earlier.event.member_id != state.id:
        raise Refused(OtherMembersEvent())
    kept = reserves.kept(state, earlier.event.sequence)
    if not kept:
        raise Refused(HoldSettled(_settled(earlier)))
    return earlier.event, kept


def _settled(earlier: Earlier) -> str:
    """How a hold that keeps nothing any more came to its end; without an event about it, a purchase captured it."""
    return _ENDS.get(earlier.followers[-1].kind, "captured") if earlier.followers else "captured"


_ENDS = {Release.kind: "released", Cancellation.kind: "released", TIMEOUT: "expired"}
"""How events about a hold bring it to its end; any other captures it."""


def _free(state: MemberState, hold: Recorded, unit: str, case: Case, *, position: int) -> tuple[MemberState, Freed]:
    at = Place(state.sequence + 1, position)
    return reserves.free(state, unit, hold=hold.sequence, at=at, instant=case.moment.judged_at)


def _about(
    hold: Recorded, state: MemberState, entries: tuple[Entry, ...], steps: tuple[Step, ...], tells: tuple[Tell, ...]
) -> Effect:
    context: dict[str, Any] = {"of": hold.id.hex()}
    return Effect(state, entries, steps, context, tells, about=hold.id)


def _captured(hold: Recorded, unit: str, points: int, *, left: int) -> tuple[Tell, ...]:
    said = {"points": {unit: points}, "held": {unit: left}, "of": _id(hold)}
    return ((messages.REDEEMED, {"points": {unit: points}}), (messages.CAPTURED, said))


def _entry(freed: Freed) -> tuple[Entry, ...]:
    return () if freed.entry is None else (freed.entry,)


def _freed_steps(unit: str, freed: Freed) -> tuple[Step, ...]:
    return (("", unit, "freed", str(freed.points)),) if freed.points else ()


def _id(hold: Recorded) -> str:
    return typeid.encode(typeid.EVENT, hold.id)
