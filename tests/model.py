"""A small model of one program, written from the semantics alone: what every member must have after every step.

It reads the bodies a till sends and tells what must come of them. It knows nothing of the product's code.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Amsterdam")
LIFE, LAPSE, LATE, EARLY = timedelta(days=20), timedelta(days=40), timedelta(days=30), timedelta(minutes=5)
WELCOME, REFERRER, REFEREE, MINIMUM = 50, 100, 25, 10_00
LEVELS = (("bronze", 0, 100), ("silver", 200_00, 125), ("gold", 500_00, 150))
"""Code, threshold in cents, points per hundred euros."""

DOCUMENT = """
zegel: 1
name: Model
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points, expires: {after: P20D}}
  spent: {name: Money spent, decimals: 2, spendable: false}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
  - {id: welcome, on: enrolment, unit: points, fixed: 50}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: "200.00", multiply: {points: "1.25"}}
      - {id: gold, name: Gold, from: "500.00", multiply: {points: "1.5"}}
referrals:
  minimum: "10.00"
  lapse: P40D
  referrer: {unit: points, points: 100}
  referee: {unit: points, points: 25}
"""

View = dict[str, Any]


@dataclass
class Lot:
    """Points credited together (semantics L3)."""

    sequence: int
    credited: int
    left: int
    occurred_at: datetime
    expires_at: datetime


@dataclass
class Bonus:
    """A referral bonus that waits for its member to be settled (semantics F2)."""

    due_at: datetime
    referee: str
    side: str
    points: int


@dataclass
class Member:
    """What a member has, and everything that brought it."""

    events: list[View] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    bonuses: list[Bonus] = field(default_factory=list)
    spent: int = 0
    booked: int = 0
    """The sum of all entries in points: the balance as it was last written down."""
    reached: list[tuple[datetime, int]] = field(default_factory=list)
    """Since when which level was held."""
    referrer: str | None = None
    referral: str = "none"
    lapses_at: datetime | None = None

    def level(self, instant: datetime) -> int:
        """The highest level reached by an instant (semantics A6): nothing ever falls here."""
        return max((level for since, level in self.reached if since <= instant), default=0)

    def active(self, now: datetime) -> list[Lot]:
        """What can be spent, in draw order (semantics L3, L5)."""
        return sorted(
            (x for x in self.lots if x.expires_at > now), key=lambda x: (x.expires_at, x.occurred_at, x.sequence)
        )


@dataclass
class Outcome:
    """What must come of a body: `status` of the answer, the event, or the problem's code and facts."""

    status: int
    event: View | None = None
    problem: View | None = None


@dataclass
class Model:
    """All members, by card, and what was recorded under which id."""

    members: dict[str, Member] = field(default_factory=dict)
    recorded: dict[tuple[str, str], tuple[View, View]] = field(default_factory=dict)

    def send(self, body: View, now: datetime) -> Outcome:
        """What must come of an event's body, sent now (semantics E1, E3)."""
        key = (body["type"], body["id"])
        if key in self.recorded:
            said, event = self.recorded[key]
            reused = {"code": "event_id_reused"}
            return Outcome(200, event) if said == body else Outcome(422, problem=reused)
        if body["type"] == "redemption" and body["member"].removeprefix("card:") not in self.members:
            return Outcome(422, problem={"code": "unknown_member"})
        when = datetime.fromisoformat(body["occurred_at"])
        if when < now - LATE:
            return Outcome(422, problem={"code": "too_late", "earliest": text(now - LATE)})
        if when > now + EARLY:
            return Outcome(422, problem={"code": "too_early", "latest": text(now + EARLY)})
        after = deepcopy(self.members)
        outcome = getattr(self, f"_{body['type']}")(body, when, now, after)
        if isinstance(outcome, Outcome):
            return outcome
        self.members = after
        self.recorded[key] = (body, outcome)
        return Outcome(201, outcome)

    def settle(self, now: datetime) -> None:
        """Everything that is due to anybody (semantics L7)."""
        for member in self.members.values():
            _settle(member, now)

    def _enrolment(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        card = body["identities"]["card"]
        if card in members:
            return Outcome(409, problem={"code": "identity_taken", "kind": "card"})
        member = members[card] = Member()
        if (friend := body.get("friend")) is not None:
            member.referrer, member.referral = friend, "claimed"
            member.lapses_at = _end_of(_day(when) + LAPSE)
        return _enrol(member, when, now)

    def _purchase(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        card = body["member"]["identity"].removeprefix("card:")
        if card not in members:
            members[card] = Member()
            _enrol(members[card], when, now, settling=False)
        member, cents = members[card], int(body["total"].replace(".", ""))
        _settle(member, now)
        points = cents * LEVELS[member.level(when)][2] // 10_000
        before = member.level(datetime.max.replace(tzinfo=UTC))
        member.spent += cents
        after = max(level for level, (_, threshold, _) in enumerate(LEVELS) if member.spent >= threshold)
        change = None
        if after > before:
            member.reached.append((when, after))
            change = (LEVELS[before][0], LEVELS[after][0])
        event = _post(member, "purchase", when, points=points, spent=cents, change=change)
        _settle(member, now)
        in_time = member.lapses_at is None or when < member.lapses_at
        if member.referral == "claimed" and member.referrer and cents >= MINIMUM and in_time:
            member.referral = "qualified"
            members[member.referrer].bonuses.append(Bonus(now, card, "referrer", REFERRER))
            member.bonuses.append(Bonus(now, card, "referee", REFEREE))
        return event

    def _redemption(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        member = members[body["member"].removeprefix("card:")]
        _settle(member, now)
        asked, available = body["points"], sum(x.left for x in member.active(now))
        if asked > available:
            facts = {"unit": "points", "asked": asked, "available": available, "missing": asked - available}
            return Outcome(409, problem={"code": "insufficient_points", **facts})
        draws: list[tuple[int, int]] = []
        for lot in member.active(now):
            taken = min(lot.left, asked - sum(points for _, points in draws))
            if taken:
                lot.left -= taken
                draws.append((lot.sequence, taken))
        return _post(member, "redemption", when, points=-asked, draws=draws)


def _enrol(member: Member, when: datetime, now: datetime, *, settling: bool = True) -> View:
    event = _post(member, "enrolment", when, points=WELCOME)
    if settling:
        _settle(member, now)
    return event


def _settle(member: Member, now: datetime) -> None:
    """Instant by instant: expiries, one event an instant, then bonuses (semantics L7, T3)."""
    while True:
        dues = [x.expires_at for x in member.lots if x.left] + [x.due_at for x in member.bonuses]
        if min(dues, default=now + EARLY) > now:
            return
        instant = min(dues)
        ending = sorted(
            (x for x in member.lots if x.left and x.expires_at == instant), key=lambda x: (x.occurred_at, x.sequence)
        )
        if ending:
            draws = [(x.sequence, x.left) for x in ending]
            for lot in ending:
                lot.left = 0
            _post(member, "expiry", instant, points=-sum(points for _, points in draws), draws=draws)
        for bonus in sorted((x for x in member.bonuses if x.due_at == instant), key=lambda x: (x.referee, x.side)):
            member.bonuses.remove(bonus)
            _post(member, "referral_bonus", instant, points=bonus.points)
            if bonus.side == "referee":
                member.referral = "rewarded"


def _post(
    member: Member,
    kind: str,
    when: datetime,
    *,
    points: int = 0,
    spent: int = 0,
    draws: list[tuple[int, int]] | None = None,
    change: tuple[str, str] | None = None,
) -> View:
    """An event with its entries, numbered; a credit opens a lot (semantics L1, L3)."""
    sequence = len(member.events) + 1
    member.booked += points
    entries = []
    if points:
        end = _end_of(_day(when) + LIFE) if points > 0 else None
        entries.append(("points", points, member.booked, None if end is None else text(end), draws or []))
        if end is not None:
            member.lots.append(Lot(sequence, points, points, when, end))
    if spent:
        entries.append(("spent", spent, member.spent, None, []))
    event = {"sequence": sequence, "kind": kind, "effective_at": text(when), "entries": entries, "change": change}
    member.events.append(event)
    return event


def view(member: Member, now: datetime) -> View:
    """What readers must be shown of a member at an instant, whether or not anything has been written down (L4, T6)."""
    active = member.active(now)
    ends: dict[datetime, int] = {}
    for lot in active:
        if lot.left:
            ends[lot.expires_at] = ends.get(lot.expires_at, 0) + lot.left
    available = sum(ends.values())
    level = member.level(datetime.max.replace(tzinfo=UTC))
    needed = LEVELS[level + 1][1] - member.spent if level + 1 < len(LEVELS) else None
    since = text(member.reached[-1][0]) if member.reached else None
    return {
        "points": {
            "balance": available,
            "available": available,
            **dict.fromkeys(("pending", "held", "deficit"), 0),
            "expiring": [(text(instant), points) for instant, points in sorted(ends.items())[:12]],
            "spent": member.spent,
        },
        "tier": (LEVELS[level][0], since, member.spent, needed),
        "lots": [
            (
                x.sequence,
                x.credited,
                x.left,
                text(x.occurred_at),
                text(x.expires_at),
                "active" if x.expires_at > now else "expired",
            )
            for x in member.lots
            if x.left
        ],
        "referral": member.referral,
        "events": member.events,
    }


def text(instant: datetime) -> str:
    """A time as answers write it (api C3)."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _day(instant: datetime) -> date:
    return instant.astimezone(ZONE).date()


def _end_of(day: date) -> datetime:
    """The first instant after a day of the program (semantics L10)."""
    return datetime.combine(day + timedelta(days=1), time(), ZONE).astimezone(UTC)
