"""Whether a rule applies to an event, and to which of its lines; if not, the code of why not (semantics A3)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from app.domain import conditions, recurrences, seeing
from app.domain.basket import Left
from app.domain.combining import Room
from app.domain.commands import Line, Purchase
from app.domain.condition_words import MILLION
from app.domain.conditions import Bound, Condition
from app.domain.events import ENGINE
from app.domain.periods import LIFETIME
from app.domain.recurrences import WEEKDAYS
from app.domain.rules import Applies, Rules
from app.domain.seeing import BLIND, Seen
from app.domain.steps import DOES_NOT_APPLY

NOT_MET, FAILED, MISSING, WRONG = DOES_NOT_APPLY[-4:]


class Occasion(NamedTuple):
    """What rules look at besides the goods: judged once, kept in the event's context (semantics E2)."""

    kind: str
    occurred_at: datetime
    tiers: frozenset[str]
    source: str
    activity: str | None = None
    channel: str | None = None
    location: str | None = None
    schedule: str | None = None
    visits: Mapping[str, int] = MappingProxyType({})
    """By the code of the periods, how many of the member's purchases stood before this one (A11)."""
    seen: Seen = BLIND
    room: Mapping[str, Room] = MappingProxyType({})
    """By the counter of a cap, what was left under it (A5); all of it where nothing is said."""
    engine: int = ENGINE
    """Whose behavior is asked for: that of the event whose goods they are (architecture §4)."""


class Scene:
    """An event as conditions see it: each is judged once, whichever rules state it, and values are made when asked."""

    __slots__ = ("_event", "_goods", "_judged", "_left", "_lines", "_lines_judged", "_rules", "_values", "occasion")

    def __init__(
        self, occasion: Occasion, rules: Rules, goods: Purchase | None = None, left: Sequence[Left] | None = None
    ) -> None:
        self.occasion = occasion
        self._rules = rules
        self._goods = goods
        self._left = left
        self._event: Bound | None = None
        self._values: dict[str, object] | None = None
        self._lines: dict[int, Bound] = {}
        self._judged: dict[str, str | None] = {}
        self._lines_judged: dict[tuple[str, int], str | None] = {}

    def why_not(self, applies: Applies) -> str | None:
        """The code of the first filter that keeps a rule from applying, or None (A3)."""
        if applies.always:
            return None
        occasion = self.occasion
        if applies.starts_at is not None and occasion.occurred_at < applies.starts_at:
            return "not_yet"
        if applies.ends_at is not None and occasion.occurred_at >= applies.ends_at:
            return "over"
        if applies.named and (why := _named_why_not(applies, occasion)) is not None:
            return why
        if applies.times and not self._open(applies):
            return "other_time"
        if applies.visits is not None and not applies.visits.has(
            occasion.visits.get(applies.visits.within.code, 0) + 1
        ):
            return "other_visit"
        if applies.schedules and occasion.schedule not in applies.schedules:
            return "other_schedule"
        if applies.condition is not None and not applies.condition.of_lines:
            return self._met(applies.condition)
        return None

    def covered(self, condition: Condition | None, positions: Sequence[int]) -> tuple[Sequence[int], str | None]:
        """The lines of which a condition holds, and why it could not be judged of another one."""
        if condition is None or not condition.of_lines:
            return positions, None
        whys = [self._line_met(condition, i) for i in positions]
        failed = next((why for why in whys if why is not None and why != NOT_MET), None)
        return [i for i, why in zip(positions, whys, strict=True) if why is None], failed

    def _open(self, applies: Applies) -> bool:
        zone = self._rules.locations.get(self.occasion.location or "", self._rules.zone)
        return recurrences.open_at(applies.times, self.occasion.occurred_at, zone)

    def _met(self, condition: Condition) -> str | None:
        if condition.text not in self._judged:
            if self._event is None:
                self._event = conditions.bind(self._of_event())
            self._judged[condition.text] = self._verdict(condition, self._event, {})
        return self._judged[condition.text]

    def _line_met(self, condition: Condition, position: int) -> str | None:
        name = (condition.text, position)
        if name not in self._lines_judged:
            assert self._goods is not None
            line = self._goods.lines[position]
            if position not in self._lines:
                self._lines[position] = conditions.bind(self._of_event() | self._of_line(line, position))
            of_line = self.occasion.seen.lines.get(line.id, {})
            self._lines_judged[name] = self._verdict(condition, self._lines[position], of_line)
        return self._lines_judged[name]

    def _verdict(self, condition: Condition, bound: Bound, of_line: Mapping[str, seeing.Told]) -> str | None:
        met = conditions.holds(condition, bound)
        if met is not None:
            return None if met else NOT_MET
        event = self.occasion.seen.event
        if condition.names & (seeing.wrong(event, prefix="event_") | seeing.wrong(of_line, prefix="line_")):
            return WRONG
        sent = {f"event_{name}" for name in event} | {f"line_{name}" for name in of_line}
        known = self._rules.attributes
        asked = {f"event_{name}" for name in known.event} | {f"line_{name}" for name in known.line}
        return MISSING if condition.names & asked - sent else FAILED

    def _of_event(self) -> dict[str, object]:
        if self._values is None:
            one, rules = self.occasion, self._rules
            local = one.occurred_at.astimezone(rules.zone)
            values: dict[str, object] = {
                "kind": one.kind,
                "channel": one.channel or "",
                "location": one.location or "",
                "shop": one.source,
                "activity": one.activity or "",
                "schedule": one.schedule or "",
                "weekday": WEEKDAYS[local.weekday()],
                "hour": local.hour * MILLION,
                "day": local.date().isoformat(),
                "tiers": sorted(one.tiers),
                "tags": sorted(one.seen.tags),
                "segments": sorted(one.seen.segments),
                "visits": (one.visits.get(LIFETIME.code, 0) + 1) * MILLION,
            }
            values |= seeing.bound(one.seen.event, rules.attributes.event, prefix="event_")
            if self._goods is not None:
                values |= self._of_goods(self._goods)
            self._values = self._read(values)
        return self._values

    def _of_goods(self, goods: Purchase) -> dict[str, object]:
        """Of what is left of the goods: the total without what came back, and how many pieces there are (R2)."""
        places = [i for i, line in enumerate(goods.lines) if line.amount >= 0]
        came_back = sum(goods.lines[i].amount - self._amount(goods.lines[i], i) for i in places)
        decimals = self._rules.currencies[goods.currency]
        return {
            "total": conditions.number(goods.total - came_back, decimals=decimals),
            "quantity": conditions.number(sum(self._quantity(goods.lines[i], i) for i in places)),
            "currency": goods.currency,
        }

    def _of_line(self, line: Line, position: int) -> dict[str, object]:
        assert self._goods is not None
        decimals = self._rules.currencies[self._goods.currency]
        values: dict[str, object] = {
            "line_amount": conditions.number(self._amount(line, position), decimals=decimals),
            "line_quantity": conditions.number(self._quantity(line, position)),
            "line_sku": line.sku or "",
            "line_categories": list(line.categories[: conditions.MOST_TEXTS]),
        }
        told = self.occasion.seen.lines.get(line.id, {})
        values |= seeing.bound(told, self._rules.attributes.line, prefix="line_")
        return self._read(values)

    def _read(self, values: Mapping[str, object]) -> dict[str, object]:
        """The values that conditions read, as far as there are any: each that is bound costs time."""
        names = self._rules.reads.names
        return {name: value for name, value in values.items() if name in names and value is not None}

    def _amount(self, line: Line, position: int) -> Fraction | int:
        return line.amount if self._left is None else line.amount * self._left[position].share

    def _quantity(self, line: Line, position: int) -> Fraction | int:
        if self._left is not None:
            return self._left[position].quantity
        return int(line.quantity) if line.quantity.isdigit() else Fraction(Decimal(line.quantity))


def _named_why_not(applies: Applies, occasion: Occasion) -> str | None:
    if applies.tiers and not applies.tiers & occasion.tiers:
        return "other_tier"
    if applies.activities and occasion.activity not in applies.activities:
        return "other_activity"
    if applies.channels and occasion.channel not in applies.channels:
        return "other_channel"
    if applies.locations and occasion.location not in applies.locations:
        return "other_location"
    if applies.sources and occasion.source not in applies.sources:
        return "other_shop"
    if applies.tags and not applies.tags & occasion.seen.tags:
        return "other_tag"
    if applies.segments and not applies.segments & occasion.seen.segments:
        return "other_segment"
    return None
