"""A small model of one program, written from the semantics alone: what every member must have after every step.

It reads the bodies a till sends and tells what must come of them. It knows nothing of the product's code.
"""

from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Amsterdam")
LIFE, LAPSE, LATE, EARLY = timedelta(days=20), timedelta(days=40), timedelta(days=30), timedelta(minutes=5)
LASTS, GRACE = timedelta(minutes=15), timedelta(days=5)
ALLOWANCE = 30
WELCOME, REFERRER, REFEREE, MINIMUM, COFFEE, SURVEY = 50, 100, 25, 10_00, 5, 20
LEVELS = (("bronze", 0, 100), ("silver", 200_00, 125), ("gold", 500_00, 150))
"""Code, threshold in cents, points per hundred euros."""

DOCUMENT = """
zegel: 1
name: Model
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points, expires: {after: P20D}, grace: P5D}
  spent: {name: Money spent, decimals: 2, spendable: false}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
  - {id: coffee, on: purchase, unit: points, fixed: 5, include: {skus: [coffee]}}
  - {id: survey, on: activity, unit: points, fixed: 20}
  - {id: welcome, on: enrolment, unit: points, fixed: 50}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: "200.00", multiply: {points: "1.25"}}
      - {id: gold, name: Gold, from: "500.00", multiply: {points: "1.5"}}
returns: {points_back: false}
redemptions: {offline_allowance: {points: 30}}
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
    reserved: int = 0
    freed_at: datetime | None = None
    """When a hold gave points back that have not been looked at since."""

    def free(self) -> int:
        """What no hold keeps."""
        return self.left - self.reserved

    def due_at(self) -> datetime:
        """When what is free expires: freed after its end, then (semantics L12)."""
        return max(self.expires_at, self.freed_at or self.expires_at)


@dataclass
class End:
    """What is still ended of an expiry, by lot; what is taken back of it is not (semantics L6)."""

    at: datetime
    gone: dict[int, int]


@dataclass
class Hold:
    """Points kept aside, by lot, and how they were settled (semantics L12)."""

    lapses_at: datetime
    kept: list[tuple[int, int]]
    state: str = "open"

    def held(self) -> int:
        """So many points still are."""
        return sum(points for _, points in self.kept)


@dataclass
class Bonus:
    """A referral bonus, or one to be taken back, that waits for its member to be settled (semantics F2, R5)."""

    due_at: datetime
    referee: str
    side: str
    points: int


@dataclass
class Line:
    """What is left of a purchase's line (semantics R1)."""

    sku: str | None
    quantity: int
    cents: Fraction


@dataclass
class Purchase:
    """What is left of a purchase, and the points per hundred euros of the tier that counted (semantics R2)."""

    sequence: int
    percent: int
    lines: dict[str, Line]
    earning: Fraction = Fraction(1)
    """The share of it that was not paid with points (semantics A1)."""

    def left(self) -> int:
        """The cents that can still come back."""
        return int(sum(x.cents for x in self.lines.values()))

    def spent(self) -> int:
        """What is left of it counts for so many cents."""
        return int(sum(x.cents for x in self.lines.values()) * self.earning)

    def gone(self) -> bool:
        """Nothing of it is left."""
        return not any(x.quantity for x in self.lines.values())

    def points(self) -> int:
        """What is left of it gives (semantics R2, A2): money by the tier, and a grant if there is coffee."""
        coffee = any(x.quantity for x in self.lines.values() if x.sku == "coffee")
        money = sum(x.cents for x in self.lines.values()) * self.earning
        return int(money * self.percent // 10_000) + (COFFEE if coffee else 0)


@dataclass
class Member:
    """What a member has, and everything that brought it."""

    events: list[View] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    bonuses: list[Bonus] = field(default_factory=list)
    paid: dict[tuple[str, str], int] = field(default_factory=dict)
    """The event of each bonus that was paid last, by referee and side."""
    purchases: dict[str, Purchase] = field(default_factory=dict)
    redemptions: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """The draws of each that have not been given back; what is owed for it as if from lot 0."""
    captures: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Likewise."""
    holds: dict[str, Hold] = field(default_factory=dict)
    activities: dict[str, int] = field(default_factory=dict)
    """The number of each activity that has not been cancelled, else 0."""
    spent: int = 0
    deficit: int = 0
    booked: int = 0
    """The sum of all entries in points: the balance as it was last written down."""
    moves: list[tuple[datetime, int, int]] = field(default_factory=list)
    """Since when which level was left for which, as recorded."""
    referrer: str | None = None
    referral: str = "none"
    qualified_by: str | None = None
    """The purchase on which the bonuses stand."""
    lapses_at: datetime | None = None
    lapses: list[datetime] = field(default_factory=list)
    """When it is to be looked whether the referral has lapsed (semantics F2)."""

    def level(self, instant: datetime) -> int:
        """The level held at an instant: from its own on, a move lifts to a level or lowers to it (semantics A6, T5)."""
        level = 0
        for since, before, after in self.moves:
            if since <= instant:
                level = max(level, after) if after > before else min(level, after)
        return level

    def available(self, now: datetime) -> int:
        """What can be spent (semantics L4)."""
        return max(0, sum(x.free() for x in self.active(now)) - self.deficit)

    def active(self, now: datetime) -> list[Lot]:
        """What can be spent, in draw order (semantics L3, L5)."""
        return sorted((x for x in self.lots if x.expires_at > now), key=_order)

    def reversible(self, kind: str) -> set[str]:
        """The ids of what can be taken back."""
        ids = {
            "purchase": self.purchases.keys(),
            "redemption": self.redemptions.keys(),
            "activity": self.activities.keys(),
            "hold": self.holds.keys(),
            "capture": self.captures.keys(),
        }
        return set(ids[kind])

    def lot(self, sequence: int) -> Lot:
        """The lot that an event credited."""
        return next(x for x in self.lots if x.sequence == sequence)

    def open_holds(self) -> list[Hold]:
        """The holds that are not settled."""
        return [x for x in self.holds.values() if x.state == "open"]


@dataclass
class Outcome:
    """What must come of a body: `status` of the answer, the event, or the problem's code and facts."""

    status: int
    event: View | None = None
    problem: View | None = None
    lapses_at: str | None = None
    """Of what waits."""
    brought: bool = False
    """What waited for it came after it."""


@dataclass
class Parked:
    """What waits for the event it names (semantics E4)."""

    body: View
    kind: str
    named: str
    lapses_at: datetime


@dataclass
class Model:
    """All members, by card, and what was recorded under which id."""

    members: dict[str, Member] = field(default_factory=dict)
    recorded: dict[tuple[str, str], tuple[View, View]] = field(default_factory=dict)
    parked: dict[tuple[str, str], Parked] = field(default_factory=dict)

    def send(self, body: View, now: datetime) -> Outcome:
        """What must come of an event's body, sent now, and of what waited for it (semantics E1, E3, E4)."""
        self.lapse(now)
        key = (body["type"], body["id"])
        if key in self.recorded:
            said, event = self.recorded[key]
            return Outcome(200, event) if said == body else _reused()
        self._give_up(card_of(body), _named_by(body))
        if key in self.parked:
            waiting = self.parked[key]
            return Outcome(202, lapses_at=text(waiting.lapses_at)) if waiting.body == body else _reused()
        named = body.get("member")
        if isinstance(named, str) and named.removeprefix("card:") not in self.members:
            return Outcome(422, problem={"code": "unknown_member"})
        when = datetime.fromisoformat(body["occurred_at"])
        if when < now - LATE:
            return Outcome(422, problem={"code": "too_late", "earliest": text(now - LATE)})
        if when > now + EARLY:
            return Outcome(422, problem={"code": "too_early", "latest": text(now + EARLY)})
        outcome = self._judge(body, now)
        if outcome.status == 201:
            outcome.brought = self._bring(body, now)
        return outcome

    def lapse(self, now: datetime) -> None:
        """What waited too long is gone, and its id free (semantics E4)."""
        self.parked = {key: x for key, x in self.parked.items() if x.lapses_at > now}

    def _give_up(self, card: str, named: Iterable[tuple[str, str]]) -> None:
        """What waits for some of these, which came for somebody else, is refused; its id is free (semantics E4)."""
        others = {x for x in named if x in self.recorded and card_of(self.recorded[x][0]) != card}
        waits = {key: x for key, x in self.parked.items() if card_of(x.body) == card and (x.kind, x.named) in others}
        self.parked = {key: x for key, x in self.parked.items() if key not in waits}

    def _judge(self, body: View, now: datetime) -> Outcome:
        after = deepcopy(self.members)
        outcome = getattr(self, f"_{body['type']}")(body, datetime.fromisoformat(body["occurred_at"]), now, after)
        if isinstance(outcome, Outcome):
            return outcome
        self.members = after
        self.recorded[body["type"], body["id"]] = (body, outcome)
        return Outcome(201, outcome)

    def _bring(self, body: View, now: datetime) -> bool:
        """What waited for this event of its member is posted by when it occurred, or refused (semantics E4)."""
        awaited = (body["type"], body["id"], card_of(body))
        keys = [key for key, x in self.parked.items() if (x.kind, x.named, card_of(x.body)) == awaited]
        keys.sort(key=lambda key: datetime.fromisoformat(self.parked[key].body["occurred_at"]))
        return [self._judge(self.parked.pop(key).body, now).status for key in keys].count(201) > 0

    def _park(self, body: View, kind: str, named: str, now: datetime) -> Outcome:
        self.parked[body["type"], body["id"]] = Parked(body, kind, named, now + LATE)
        return Outcome(202, lapses_at=text(now + LATE))

    def settle(self, now: datetime) -> None:
        """Everything that is due to anybody (semantics L7), also what waits in vain (E4)."""
        self.lapse(now)
        for card in self.members:
            self._give_up(card, {(x.kind, x.named) for x in self.parked.values()})
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
            member.lapses.append(member.lapses_at)
        return _enrol(member, when, now)

    def _purchase(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        card = card_of(body)
        if card not in members:
            members[card] = Member()
            _enrol(members[card], when, now, settling=False)
        member = members[card]
        _settle(member, now)
        said = body.get("lines") or [{"amount": body["total"]}]
        lines = {
            str(number): Line(line.get("sku"), int(line.get("quantity", 1)), Fraction(_cents(line["amount"])))
            for number, line in enumerate(said, 1)
        }
        sold = Purchase(len(member.events) + 1, LEVELS[member.level(when)][2], lines, _earning(body, lines))
        member.purchases[body["id"]] = sold
        member.spent += sold.spent()
        change = _move(member, when)
        holds = [payment["hold"] for payment in body.get("payments", []) if "hold" in payment]
        paid, lost = _pay(member, holds)
        event = _post(
            member,
            "purchase",
            when,
            points=sold.points(),
            spent=sold.spent(),
            change=change,
            paid=paid,
            flags=["hold_not_captured"] if lost else [],
        )
        _settle(member, now)
        in_time = member.lapses_at is None or when < member.lapses_at
        if member.referral in ("claimed", "lapsed") and member.referrer and sold.left() >= MINIMUM and in_time:
            member.referral, member.qualified_by = "qualified", body["id"]
            members[member.referrer].bonuses.append(Bonus(now, card, "referrer", REFERRER))
            member.bonuses.append(Bonus(now, card, "referee", REFEREE))
        return event

    def _activity(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        member = members[card_of(body)]
        _settle(member, now)
        event = _post(member, "activity", when, points=SURVEY)
        member.activities[body["id"]] = event["sequence"]
        _settle(member, now)
        return event

    def _redemption(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        member = members[card_of(body)]
        _settle(member, now)
        asked = body["points"]
        if body.get("offline"):
            return _offline(member, body, when, now)
        if (refused := _too_many(asked, member.available(now))) is not None:
            return refused
        draws = _draw(member.active(now), asked)
        member.redemptions[body["id"]] = list(draws)
        return _post(member, "redemption", when, points=-asked, draws=draws)

    def _hold(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        """Kept in draw order (semantics L12)."""
        member = members[card_of(body)]
        _settle(member, now)
        asked = body["points"]
        if (refused := _too_many(asked, member.available(now))) is not None:
            return refused
        kept: list[tuple[int, int]] = []
        for lot in member.active(now):
            taken = min(lot.free(), asked - sum(points for _, points in kept))
            if taken:
                lot.reserved += taken
                kept.append((lot.sequence, taken))
        lasts = timedelta(minutes=int(body["lasts"][2:-1])) if "lasts" in body else LASTS
        member.holds[body["id"]] = Hold(now + lasts, kept)
        return _post(member, "hold", when)

    def _capture(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        """Drawn from a hold; the last one frees the rest (semantics L12)."""
        member = members[card_of(body)]
        _settle(member, now)
        hold, refused = _open_hold(members, member, body["hold"])
        if refused is not None:
            return refused
        held, final = hold.held(), body.get("final", True)
        asked = body.get("points", held)
        if asked > held:
            return Outcome(409, problem={"code": "more_than_held", "asked": asked, "held": held})
        draws = _capture(member, hold, asked)
        member.captures[body["id"]] = list(draws)
        freed = _free(member, hold, "captured", now) if final or asked == held else []
        event = _post(member, "capture", when, points=-asked, draws=draws, freed=freed)
        _settle(member, now)
        return event

    def _release(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        member = members[card_of(body)]
        _settle(member, now)
        hold, refused = _open_hold(members, member, body["hold"])
        return refused or _let_go(member, hold, "release", when, now)

    def _return(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        """Goods brought back (semantics R1)."""
        member = members[card_of(body)]
        _settle(member, now)
        if (refused := _refused(members, member, "purchase", "purchase", body["purchase"])) is not None:
            return refused if refused.status != 202 else self._park(body, "purchase", body["purchase"], now)
        sold = member.purchases[body["purchase"]]
        if body.get("currency", "EUR") != "EUR":
            return Outcome(422, problem={"code": "other_currency"})
        if sold.gone():
            return Outcome(409, problem={"code": "nothing_left"})
        kept, refused = _kept(sold, body)
        return refused or _take_back(members, member, body["purchase"], kept, "return", when, now)

    def _cancellation(self, body: View, when: datetime, now: datetime, members: dict[str, Member]) -> Outcome | View:
        """What is named is as if it had not been (semantics E6)."""
        member = members[card_of(body)]
        _settle(member, now)
        kind, named = body["kind"], body["event"]
        if (refused := _refused(members, member, str(body.get("ours", kind)), kind, named)) is not None:
            return refused if refused.status != 202 else self._park(body, kind, named, now)
        if kind in ("redemption", "capture"):
            draws = (member.redemptions if kind == "redemption" else member.captures)[named]
            spent_at = datetime.fromisoformat(self.recorded[kind, named][0]["occurred_at"])
            return _give_back(member, draws, body.get("points"), when, now, spent_at=spent_at)
        if kind == "hold":
            hold, refused = _open_hold(members, member, named)
            return refused or _let_go(member, hold, "cancellation", when, now)
        if kind == "activity":
            return _cancel_activity(member, named, when, now)
        sold = member.purchases[named]
        if sold.gone():
            return Outcome(409, problem={"code": "nothing_left"})
        return _take_back(members, member, named, _nothing_of(sold), "cancellation", when, now)


def _reused() -> Outcome:
    return Outcome(422, problem={"code": "event_id_reused"})


def _too_many(asked: int, available: int) -> Outcome | None:
    """More than can be spent (semantics L6)."""
    if asked <= available:
        return None
    facts = {"unit": "points", "asked": asked, "available": available, "missing": asked - available}
    return Outcome(409, problem={"code": "insufficient_points", **facts})


def _earning(body: View, lines: dict[str, Line]) -> Fraction:
    """The share of the goods that was not paid with points (semantics A1)."""
    whole = sum(x.cents for x in lines.values())
    paid = sum(_cents(x["amount"]) for x in body.get("payments", []) if x["kind"] == "points")
    return max(Fraction(0), 1 - paid / whole) if whole else Fraction(1)


def _pay(member: Member, holds: list[str]) -> tuple[list[tuple[int, int]], bool]:
    """All that these holds keep; whether one keeps nothing any more (semantics A1, L12)."""
    draws: list[tuple[int, int]] = []
    lost = False
    for named in holds:
        hold = member.holds.get(named)
        if hold is None or hold.state != "open":
            lost = True
        else:
            draws += _capture(member, hold, hold.held())
            hold.state = "captured"
    return draws, lost


def _capture(member: Member, hold: Hold, points: int) -> list[tuple[int, int]]:
    """Takes points out of a hold and its lots, in the order in which they were kept."""
    draws: list[tuple[int, int]] = []
    kept: list[tuple[int, int]] = []
    for sequence, reserved in hold.kept:
        taken = min(reserved, points - sum(drawn for _, drawn in draws))
        lot = member.lot(sequence)
        lot.left, lot.reserved = lot.left - taken, lot.reserved - taken
        if taken:
            draws.append((sequence, taken))
        if taken < reserved:
            kept.append((sequence, reserved - taken))
    hold.kept = kept
    return draws


def _free(member: Member, hold: Hold, state: str, now: datetime) -> list[tuple[int, int]]:
    """Settles a hold; what it frees pays a deficit: these draws (semantics L9, L12)."""
    freed = []
    for sequence, points in hold.kept:
        lot = member.lot(sequence)
        lot.reserved, lot.freed_at = lot.reserved - points, now
        freed.append(lot)
    hold.kept, hold.state = [], state
    draws = _draw(freed, member.deficit)  # also what has ended pays, as restored points do (semantics L8)
    member.deficit -= sum(points for _, points in draws)
    return draws


def _open_hold(members: dict[str, Member], member: Member, named: str) -> tuple[Hold, Outcome | None]:
    """A hold of the member that is not settled, or why there is none."""
    if named in member.holds:
        hold = member.holds[named]
        settled = Outcome(409, problem={"code": "hold_settled", "state": hold.state})
        return hold, None if hold.state == "open" else settled
    known = any(named in x.holds for x in members.values())
    problem = {"code": "other_members_event" if known else "unknown_hold"}
    return Hold(datetime.max.replace(tzinfo=UTC), []), Outcome(422, problem=problem)


def _let_go(member: Member, hold: Hold, kind: str, when: datetime, now: datetime) -> View:
    """What the hold keeps is freed, and what has ended ends (semantics L12)."""
    event = _post(member, kind, when, freed=_free(member, hold, "released", now))
    _settle(member, now)
    return event


def _cancel_activity(member: Member, named: str, when: datetime, now: datetime) -> Outcome | View:
    """What it gave is taken back (semantics E6)."""
    sequence = member.activities[named]
    if not sequence:
        return Outcome(409, problem={"code": "nothing_left"})
    member.activities[named] = 0
    draws = _take(member, SURVEY, sequence, now)
    return _post(member, "cancellation", when, points=-SURVEY, draws=draws)


def _offline(member: Member, body: View, when: datetime, now: datetime) -> Outcome | View:
    """From what was active when a till without a network gave out goods, ended since or not (semantics L6).

    What is short is drawn from what came since, or owed, up to the allowance.
    """
    asked, then = body["points"], min(when, now)
    had = {x.sequence: x for x in member.lots if x.occurred_at <= then < x.expires_at}
    missing, reopened = asked, []
    for end in sorted((x for x in member.ends if x.at > then), key=lambda x: x.at):
        back = {number: points for number, points in end.gone.items() if number in had}
        for number, points in back.items():
            back[number] = min(points, missing)
            missing -= back[number]
        reopened.append((end, {number: points for number, points in back.items() if points}))
    covered = sum(sum(back.values()) for _, back in reopened) + sum(x.free() for x in had.values())
    short = max(0, asked - covered)
    if short and member.deficit + short > ALLOWANCE:
        facts = {"unit": "points", "asked": asked, "available": covered, "deficit": member.deficit}
        return Outcome(409, problem={"code": "offline_allowance", "allowance": ALLOWANCE, **facts})
    for end, back in reopened:
        for number, points in back.items():
            end.gone[number] -= points
            had[number].left += points
        if back:
            moved = [(number, -points) for number, points in back.items()]
            _post(member, "expiry_reversal", end.at, back=[(sum(back.values()), None, moved)])
    since = [x for x in member.active(now) if x.sequence not in had]
    draws = _draw([*sorted(had.values(), key=_order), *since], asked)
    owed = asked - sum(points for _, points in draws)
    member.deficit += owed
    member.redemptions[body["id"]] = [*draws, *([(0, owed)] if owed else [])]
    return _post(member, "redemption", when, points=-asked, draws=draws)


def _give_back(
    member: Member,
    draws: list[tuple[int, int]],
    points: int | None,
    when: datetime,
    now: datetime,
    *,
    spent_at: datetime,
) -> Outcome | View:
    """Back into its lots, the last draw first; a deficit is paid, what has ended lives on (semantics L8, L9).

    What was owed for it comes first: it lessens the deficit, or comes back as points of that day.
    """
    left = sum(drawn for _, drawn in draws)
    if not left:
        return Outcome(409, problem={"code": "nothing_left"})
    asked = left if points is None else points
    if asked > left:
        return Outcome(409, problem={"code": "more_points_than_left", "left": left})
    back: list[tuple[int, int]] = []
    while missing := asked + sum(given for _, given in back):
        sequence, drawn = draws.pop()
        given = min(drawn, missing)
        if given < drawn:
            draws.append((sequence, drawn - given))
        if sequence:
            member.lot(sequence).left += given
        back.append((sequence, -given))
    debt = -sum(given for number, given in back if not number)
    forgiven = min(debt, member.deficit)
    member.deficit -= forgiven
    back = [(number, given) for number, given in back if number]
    restored = [x for x in member.lots if x.sequence in dict(back)]
    over, until = [x for x in restored if x.expires_at <= now], _end_of(_day(now) + GRACE)
    for lot in over:
        lot.expires_at = until
    lasting, _, moved = _returned(member, [x for x in restored if x not in over], back, None)
    parts = [
        (lasting + forgiven, None, [*([(0, -forgiven)] if forgiven else []), *moved]),
        _returned(member, over, back, until),
    ]
    if paid := debt - forgiven:
        end = _end_of(_day(spent_at) + LIFE)
        end = end if end > now else until
        member.lots.append(Lot(len(member.events) + 1, paid, paid, spent_at, end))
        parts.append((paid, end, [(0, -paid)]))
    event = _post(member, "cancellation", when, back=[part for part in parts if part[0]])
    _settle(member, now)
    return event


def _returned(
    member: Member, lots: list[Lot], back: list[tuple[int, int]], until: datetime | None
) -> tuple[int, datetime | None, list[tuple[int, int]]]:
    """What is back in these lots, which end `until` then from now on; and what it pays of a deficit."""
    mine = [(sequence, given) for sequence, given in back if any(x.sequence == sequence for x in lots)]
    paid = _draw(sorted(lots, key=_order), member.deficit)
    member.deficit -= sum(points for _, points in paid)
    return -sum(given for _, given in mine), until, mine + paid


def _named_by(body: View) -> set[tuple[str, str]]:
    """The shop's events that an event is about."""
    if "ours" in body:
        return set()
    holds = [body["hold"]] if "hold" in body else [x["hold"] for x in body.get("payments", ()) if "hold" in x]
    found = {("hold", hold) for hold in holds}
    found |= {("purchase", body["purchase"])} if "purchase" in body else set()
    return found | ({(body["kind"], body["event"])} if "event" in body else set())


def _refused(members: dict[str, Member], member: Member, ours: str, kind: str, named: str) -> Outcome | None:
    """What is named is of another kind (`ours`, if by our id), another member's, or may still come (semantics R1)."""
    if ours != kind:
        return Outcome(422, problem={"code": "not_reversible"})
    if named in member.reversible(kind):
        return None
    if any(named in x.reversible(kind) for x in members.values()):
        return Outcome(422, problem={"code": "other_members_event"})
    return Outcome(422, problem={"code": "unknown_event"}) if named.startswith("evt_") else Outcome(202)


def _nothing_of(sold: Purchase) -> Purchase:
    lines = {name: Line(x.sku, 0, Fraction(0)) for name, x in sold.lines.items()}
    return replace(sold, lines=lines)


def _kept(sold: Purchase, body: View) -> tuple[Purchase, Outcome | None]:
    """What is left of a purchase after what came back, if that is so much (semantics R1)."""
    kept = deepcopy(sold)
    if body.get("all"):
        return _nothing_of(sold), None
    if "amount" in body:
        cents, left = _cents(body["amount"]), sold.left()
        if cents > left:
            return kept, Outcome(409, problem={"code": "more_than_left"})
        for line in kept.lines.values():
            line.cents -= cents * line.cents / left
        return (kept if kept.left() else _nothing_of(sold)), None
    for said in body["lines"]:
        if said["id"] not in kept.lines:
            return kept, Outcome(422, problem={"code": "unknown_line"})
        line = kept.lines[said["id"]]
        quantity = int(said.get("quantity", 0 if "amount" in said else line.quantity))
        back = Fraction(_cents(said["amount"])) if "amount" in said else line.cents * quantity / max(1, line.quantity)
        if not line.quantity or quantity > line.quantity or back > line.cents:
            return kept, Outcome(409, problem={"code": "more_than_left"})
        line.cents -= back
        line.quantity = 0 if "amount" in said and not line.cents else line.quantity - quantity
    return kept, None


def _take_back(
    members: dict[str, Member], member: Member, named: str, kept: Purchase, kind: str, when: datetime, now: datetime
) -> View:
    """Posts f(before) - f(after); a tier and a referral may go (semantics R2, R5, T5)."""
    sold, member.purchases[named] = member.purchases[named], kept
    points, spent = sold.points() - kept.points(), sold.spent() - kept.spent()
    draws = _take(member, points, sold.sequence, now)
    member.spent -= spent
    event = _post(member, kind, when, points=-points, spent=-spent, draws=draws, change=_move(member, when))
    if member.qualified_by == named and kept.left() < MINIMUM:
        assert member.referrer is not None
        card = next(card for card, x in members.items() if x is member)
        member.referral, member.qualified_by = "claimed", None
        if member.lapses_at is not None and member.lapses_at <= now:
            member.lapses.append(now)
        members[member.referrer].bonuses.append(Bonus(now, card, "referrer", -REFERRER))
        member.bonuses.append(Bonus(now, card, "referee", -REFEREE))
    return event


def _move(member: Member, when: datetime) -> tuple[str, str] | None:
    """Up or down to what is met, at once (semantics T2, T5)."""
    before = member.level(datetime.max.replace(tzinfo=UTC))
    after = max(level for level, (_, threshold, _) in enumerate(LEVELS) if member.spent >= threshold)
    if after == before:
        return None
    if after < before:  # not from before what was lost was held
        when = max(when, member.moves[-1][0])
    member.moves.append((when, before, after))
    return LEVELS[before][0], LEVELS[after][0]


def _take(member: Member, points: int, sequence: int, now: datetime) -> list[tuple[int, int]]:
    """From its own lot, then from others, then as a deficit (semantics R3, L9)."""
    own = [x for x in member.lots if x.sequence == sequence]
    draws = _draw(own + [x for x in member.active(now) if x not in own], points)
    member.deficit += points - sum(taken for _, taken in draws)
    return draws


def _draw(lots: list[Lot], points: int) -> list[tuple[int, int]]:
    """Takes points from lots in this order, as far as they go."""
    draws: list[tuple[int, int]] = []
    for lot in lots:
        taken = min(lot.free(), points - sum(points for _, points in draws))
        if taken:
            lot.left -= taken
            draws.append((lot.sequence, taken))
    return draws


def _order(lot: Lot) -> tuple[datetime, datetime, int]:
    """Draw order (semantics L5)."""
    return lot.expires_at, lot.occurred_at, lot.sequence


def _enrol(member: Member, when: datetime, now: datetime, *, settling: bool = True) -> View:
    event = _post(member, "enrolment", when, points=WELCOME)
    if settling:
        _settle(member, now)
    return event


def _dues(member: Member) -> list[datetime]:
    """The instants at which a hold lapses or something expires."""
    return [x.due_at() for x in member.lots if x.free()] + [x.lapses_at for x in member.open_holds()]


def _by_the_clock(member: Member, instant: datetime) -> None:
    """What an instant alone brings."""
    for hold in [x for x in member.open_holds() if x.lapses_at == instant]:
        _post(member, "hold_timeout", instant, freed=_free(member, hold, "expired", instant))
    ending = sorted(
        (x for x in member.lots if x.free() and x.due_at() == instant), key=lambda x: (x.occurred_at, x.sequence)
    )
    if ending:
        draws = [(x.sequence, x.free()) for x in ending]
        member.ends.append(End(instant, dict(draws)))
        for lot in ending:
            lot.left, lot.freed_at = lot.reserved, None
        _post(member, "expiry", instant, points=-sum(points for _, points in draws), draws=draws)


def _settle(member: Member, now: datetime) -> None:
    """Instant by instant: holds that lapse, expiries, one event an instant, then bonuses (semantics L7, T3)."""
    while True:
        instant = min((*_dues(member), *(x.due_at for x in member.bonuses), *member.lapses), default=now + EARLY)
        if instant > now:
            for lot in member.lots:
                lot.freed_at = None
            return
        _by_the_clock(member, instant)
        due = [x for x in member.bonuses if x.due_at == instant]
        for bonus in sorted(due, key=lambda x: (x.points < 0, x.referee, x.side)):
            if bonus.points < 0:
                _lapse(member, instant)
            member.bonuses.remove(bonus)
            pair = (bonus.referee, bonus.side)
            if bonus.points < 0:  # its own lot first; what is no longer there is forgiven (semantics R3, F3)
                active = member.active(instant)
                own = [x for x in active if x.sequence == member.paid.get(pair)]
                draws = _draw(own + [x for x in active if x not in own], -bonus.points)
                _post(member, "referral_reversal", instant, points=-sum(points for _, points in draws), draws=draws)
                continue
            member.paid[pair] = _post(member, "referral_bonus", instant, points=bonus.points)["sequence"]
            if bonus.side == "referee":
                member.referral = "rewarded"
        _lapse(member, instant)


def _lapse(member: Member, instant: datetime) -> None:
    """A referral that nothing has qualified for in time is over; after the bonuses of an instant (semantics F2)."""
    if instant in member.lapses:
        member.lapses = [x for x in member.lapses if x != instant]
        if member.referral == "claimed":
            _post(member, "referral_lapse", instant)
            member.referral = "lapsed"


def _post(
    member: Member,
    kind: str,
    when: datetime,
    *,
    points: int = 0,
    spent: int = 0,
    draws: list[tuple[int, int]] | None = None,
    change: tuple[str, str] | None = None,
    paid: list[tuple[int, int]] | None = None,
    freed: list[tuple[int, int]] | None = None,
    back: list[tuple[int, datetime | None, list[tuple[int, int]]]] | None = None,
    flags: list[str] | None = None,
) -> View:
    """An event with its entries, numbered; a credit opens a lot and pays a deficit from it (semantics L1, L3, L9)."""
    sequence = len(member.events) + 1
    member.booked += points
    entries = []
    if points:
        end = _end_of(_day(when) + LIFE) if points > 0 else None
        if end is not None:
            member.lots.append(Lot(sequence, points, points, when, end))
            draws = _draw(member.lots[-1:], member.deficit)
            member.deficit -= sum(drawn for _, drawn in draws)
        entries.append(("points", points, member.booked, None if end is None else text(end), draws or []))
    if spent:
        entries.append(("spent", spent, member.spent, None, []))
    if paid:
        captured = sum(drawn for _, drawn in paid)
        member.booked -= captured
        entries.append(("points", -captured, member.booked, None, paid))
    for put, until, moved in back or []:
        member.booked += put
        entries.append(("points", put, member.booked, None if until is None else text(until), moved))
    if freed:
        entries.append(("points", 0, member.booked, None, freed))
    event = {"sequence": sequence, "kind": kind, "effective_at": text(when), "entries": entries, "change": change}
    event["owed"] = member.deficit if any(unit == "points" for unit, *_ in entries) else None
    event["flags"] = flags or []
    member.events.append(event)
    return event


def view(member: Member, now: datetime) -> View:
    """What readers must be shown of a member at an instant, whether or not anything has been written down (L4, T6)."""
    seen = replace(member, lots=deepcopy(member.lots), holds=deepcopy(member.holds))
    seen.events, seen.ends = [*member.events], [*member.ends]
    while instant := min((x for x in _dues(seen) if x <= now), default=None):
        _by_the_clock(seen, instant)
    ends: dict[datetime, int] = {}
    for lot in seen.active(now):
        if lot.free():
            ends[lot.expires_at] = ends.get(lot.expires_at, 0) + lot.free()
    paid: Counter[int] = Counter()  # what freed lots have paid of a debt by the clock; an end is told when written down
    for event in seen.events[len(member.events) :]:
        for _, points, _, _, draws in event["entries"]:
            paid.update({} if points else dict(draws))
    level = member.level(datetime.max.replace(tzinfo=UTC))
    needed = LEVELS[level + 1][1] - member.spent if level + 1 < len(LEVELS) else None
    since = text(member.moves[-1][0]) if member.moves else None
    return {
        "points": {
            "balance": sum(x.left for x in seen.lots) - seen.deficit,
            "available": seen.available(now),
            "pending": 0,
            "held": sum(x.held() for x in seen.open_holds()),
            "deficit": seen.deficit,
            "expiring": [(text(instant), points) for instant, points in sorted(ends.items())[:12]],
            "spent": member.spent,
        },
        "tier": (LEVELS[level][0], since, member.spent, needed),
        "lots": [
            (
                x.sequence,
                x.credited,
                x.left - paid[x.sequence],
                text(x.occurred_at),
                text(x.expires_at),
                "active" if x.expires_at > now else "expired",
            )
            for x in member.lots
            if x.left > paid[x.sequence]
        ],
        "referral": _referral(member, now),
        "events": member.events,
    }


def _referral(member: Member, now: datetime) -> str:
    """How far it has come by the instant: what is over has lapsed, whether or not that is written down."""
    over = member.lapses_at is not None and member.lapses_at <= now
    return "lapsed" if member.referral == "claimed" and over else member.referral


def card_of(body: View) -> str:
    """The card of the member whom a body names."""
    if body["type"] == "enrolment":
        return str(body["identities"]["card"])
    member = body["member"]
    return str(member if isinstance(member, str) else member["identity"]).removeprefix("card:")


def text(instant: datetime) -> str:
    """A time as answers write it (api C3)."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _day(instant: datetime) -> date:
    return instant.astimezone(ZONE).date()


def _end_of(day: date) -> datetime:
    """The first instant after a day of the program (semantics L10)."""
    return datetime.combine(day + timedelta(days=1), time(), ZONE).astimezone(UTC)


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))
