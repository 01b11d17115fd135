"""Plain builders of what the core decides on, each with good defaults; no clock, no chance, no database."""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from app.domain import chain, commands, encoding, engine, lots, money, opening, tiers
from app.domain.applying import Occasion
from app.domain.calendar import Every, Period, parse_span
from app.domain.combining import Cap, Combine, Group, Per
from app.domain.commands import (
    Command,
    Enrolment,
    Facts,
    Identity,
    Line,
    Named,
    OpenedLot,
    OpenedTier,
    OpenedTotal,
    Opening,
    Payment,
    Purchase,
    Reference,
    Return,
    ReturnedLine,
)
from app.domain.effects import NOBODY, Beside, Friends
from app.domain.events import ENGINE, MILESTONES, Decision, Earlier, Entry, Posted, Recorded
from app.domain.ladders import Ladder, Tier
from app.domain.paying import Paid
from app.domain.periods import LIFETIME, Within
from app.domain.posting import Ids, Moment
from app.domain.rules import (
    EVERYTHING,
    NOTHING,
    Applies,
    Basis,
    Cover,
    Fixed,
    Gives,
    Multiply,
    PerItem,
    Rate,
    ReferralGift,
    ReferralTerms,
    Rule,
    Rules,
    Versions,
)
from app.domain.state import Account, MemberState, OpenLot, Reserve
from app.domain.units import ExpiresAfter, Unit
from app.domain.verifying import History, StoredEvent, StoredMessage, findings

V = TypeVar("V")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
"""The moment of a test that sets no other."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ANNA = b"A" * 16
BRAM = b"B" * 16
PROGRAM = b"P" * 16


def on(day: str, clock: str = "09:00", *, zone: ZoneInfo = AMSTERDAM) -> datetime:
    """An instant by the program's clock: `on("2026-11-21", "10:30")`."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone).astimezone(UTC)


def end_of(day: str, *, zone: ZoneInfo = AMSTERDAM) -> datetime:
    """The first instant after a day of the program."""
    return on((date.fromisoformat(day) + timedelta(days=1)).isoformat(), "00:00", zone=zone)


def cents(amount: str) -> int:
    """Minor units of an amount with two decimals."""
    return money.minor_units(amount, decimals=2)


def unit(code: str = "points", *, expires: str | None = None, round_up: Every | None = None, **more: Any) -> Unit:
    """A unit, spendable unless told otherwise; `expires` is a duration such as P12M."""
    expiry = ExpiresAfter(parse_span(expires), round_up) if expires is not None else None
    return Unit(code, code.capitalize(), expiry=expiry, **more)


def cover(*categories: str, skus: Sequence[str] = ()) -> Cover:
    """Lines of these categories or skus."""
    return Cover(frozenset(categories), frozenset(skus))


def rule(
    gives: Gives,
    *,
    code: str = "base",
    unit: str = "points",
    kind: str = "purchase",
    include: Cover = EVERYTHING,
    exclude: Cover = NOTHING,
    **filters: Any,
) -> Rule:
    """A rule; `filters` are those of `Applies`, or say how it comes together with others."""
    together = {name: filters.pop(name) for name in TOGETHER if name in filters}
    sets: dict[str, Any] = {
        name: frozenset(v) if isinstance(v, list | tuple | set) else v for name, v in filters.items()
    }
    return Rule(code, unit, gives, Applies(kind, **sets), include, exclude, **together)


TOGETHER = ("priority", "group", "exclusive", "stop", "caps")


def cap(
    holder: str,
    points: int | None = None,
    *,
    times: int | None = None,
    per: Per = Per.MEMBER,
    every: Every | None = None,
) -> Cap:
    """A cap of a holder such as `rule:base`, in a period of the calendar or for all time."""
    return Cap(holder, per, points, times, LIFETIME if every is None else Within(Period(every)))


def group(code: str, combine: Combine = Combine.SUM, *caps: Cap) -> dict[str, Group]:
    """A group, by its code."""
    return {code: Group(code, combine, caps)}


def rate(
    give: str = "1",
    per: str | Mapping[str, int] = "1.00",
    *,
    basis: Basis = Basis.CHARGED,
    whole_steps: bool = False,
    counted: Paid | None = None,
    **more: Any,
) -> Rule:
    """So many points for each amount of euros."""
    prices = {"EUR": cents(per)} if isinstance(per, str) else per
    return rule(Rate(Fraction(give), prices, basis, whole_steps, counted), **more)


def per_item(give: str = "1", *, code: str = "per-item", **more: Any) -> Rule:
    """So many points for each item."""
    return rule(PerItem(Fraction(give)), code=code, **more)


def fixed(give: int, *, code: str = "fixed", **more: Any) -> Rule:
    """So many points once per event."""
    return rule(Fixed(give), code=code, **more)


def multiply(factor: str, *, code: str = "times", **more: Any) -> Rule:
    """A factor on what the covered lines earned."""
    return rule(Multiply(Fraction(factor)), code=code, **more)


def ladder(
    *levels: tuple[str, int], code: str = "status", unit: str = "spent", first: str = "bronze", **more: Any
) -> Ladder:
    """A ladder from everybody's first tier up: `ladder(("silver", 200_00))`."""
    named = [(first, 0), *levels]
    return Ladder(
        code, (unit,), tuple(Tier(name, name.capitalize(), (threshold,)) for name, threshold in named), **more
    )


def make_rules(*rules: Rule, units: Sequence[Unit] | None = None, **more: Any) -> Rules:
    """One version of a program in Amsterdam: a point a euro unless rules are given."""
    known = units if units is not None else (unit(),)
    defaults: dict[str, Any] = {
        "version": 1,
        "digest": sha256(b"rules").digest(),
        "in_force_from": LONG_AGO,
        "zone": AMSTERDAM,
        "currencies": {"EUR": 2},
    }
    return Rules(units={u.code: u for u in known}, rules=rules or (rate(),), **(defaults | more))


SPENT = unit("spent", decimals=2, spendable=False)


def ladder_rules(**more: Any) -> Rules:
    """Silver from 200.00 spent (×1.25), gold from 500.00 (×1.5), a point a euro: worked example 10."""
    return make_rules(
        rate(),
        rate("100", code="spent", unit="spent"),
        multiply("1.25", code="tier:silver:points", tiers=["silver"]),
        multiply("1.5", code="tier:gold:points", tiers=["gold"]),
        units=(unit(), SPENT),
        ladders=(ladder(("silver", 200_00), ("gold", 500_00)),),
        **more,
    )


def friends_terms(**more: Any) -> ReferralTerms:
    """A hundred points for the referrer and 25 for the friend, from a first purchase of 10.00 on."""
    gifts: dict[str, Any] = {"referrer": ReferralGift("points", 100), "referee": ReferralGift("points", 25)}
    terms: dict[str, Any] = {"minimum": {"EUR": 10_00}, "lapse": parse_span("P180D")}
    return ReferralTerms(**(terms | gifts | more))


def friends_rules(**more: Any) -> Rules:
    """A program with these terms."""
    return make_rules(**({"referrals": friends_terms()} | more))


def line(amount: str = "10.00", *categories: str, id: str = "1", **more: Any) -> Line:
    """A line of a receipt; tax, discount and cost as amounts."""
    for name in ("tax", "discount", "cost"):
        if name in more:
            more[name] = cents(more[name])
    return Line(id, cents(amount), categories=categories, **more)


def purchase(total: str | None = None, *lines: Line, currency: str = "EUR", **more: Any) -> Purchase:
    """A sale of lines, or of a total alone; lines are numbered by their position."""
    numbered = tuple(changed(one, id=str(i)) for i, one in enumerate(lines, start=1))
    summed = sum(one.amount for one in numbered) if numbered else 10_00
    whole = summed if total is None else cents(total)
    return Purchase(currency, whole, numbered or (Line("1", whole),), **more)


def opened(*parts: OpenedLot | OpenedTotal | OpenedTier) -> Opening:
    """What a member had in another system."""
    return Opening(
        tuple(part for part in parts if isinstance(part, OpenedLot)),
        tuple(part for part in parts if isinstance(part, OpenedTotal)),
        tuple(part for part in parts if isinstance(part, OpenedTier)),
    )


def had(points: int = 100, *, earned: str = "2026-03-14", unit: str = "points", **more: Any) -> OpenedLot:
    """A lot of another system; `expires` is its last day."""
    expires = more.pop("expires", None)
    return OpenedLot(unit, points, on(earned), expires_at=end_of(expires) if expires is not None else None, **more)


def paid(kind: str, amount: str) -> Payment:
    """A means of payment."""
    return Payment(kind, cents(amount))


def occasion(kind: str = "purchase", *, at: datetime = NOW, tiers: Sequence[str] = (), **more: Any) -> Occasion:
    """What rules look at besides the goods."""
    return Occasion(kind, at, frozenset(tiers), **({"source": "till"} | more))


def changed(value: V, **fields: Any) -> V:
    """The same value with other fields, whichever kind of value it is."""
    plain = value._replace if isinstance(value, tuple) else partial(dataclasses.replace, value)  # type: ignore
    return cast(V, plain(**fields))


_numbers = itertools.count(1)


def kept(points: int, *, until: datetime = NOW + timedelta(hours=1)) -> tuple[Reserve, ...]:
    """What a hold keeps of a lot."""
    return (Reserve(1, b"h" * 16, points, until),) if points else ()


def lot(
    points: int = 100,
    *,
    expires: str | datetime | None = None,
    remaining: int | None = None,
    earned: datetime = NOW - timedelta(days=1),
    sequence: int | None = None,
    unit: str = "points",
    **more: Any,
) -> OpenLot:
    """A lot of points; `expires` is its last day or the instant itself. Sequences follow the order of making."""
    ends = end_of(expires) if isinstance(expires, str) else expires
    return OpenLot(
        sequence=sequence if sequence is not None else next(_numbers),
        position=more.pop("position", 0),
        unit=unit,
        credited=points,
        remaining=points if remaining is None else remaining,
        occurred_at=earned,
        available_at=more.pop("available", earned),
        expires_at=ends,
        **more,
    )


def make_state(*lots_: OpenLot, id: bytes = ANNA, now: datetime = NOW, **more: Any) -> MemberState:
    """A member who has these lots and nothing else, right as of `now`; further accounts by `accounts`."""
    accounts = {
        code: _account(code, [one for one in lots_ if one.unit == code], now) for code in {o.unit for o in lots_}
    }
    defaults: dict[str, Any] = {
        "id": id,
        "sequence": max((one.sequence for one in lots_), default=1),
        "enrolled_at": LONG_AGO,
        "referral_code": "23456789AB",
        "recorded_at": now,
        "judged_at": now,
    }
    return MemberState(lots=tuple(lots_), **(defaults | more | {"accounts": accounts | dict(more.get("accounts", {}))}))


def _account(code: str, mine: list[OpenLot], now: datetime) -> Account:
    active = sum(one.remaining for one in mine if lots.is_active(one, now=now))
    pending = sum(one.remaining for one in mine if one.available_at > now)
    held, earned = sum(one.reserved for one in mine), sum(one.credited for one in mine)
    due = lots.next_due(mine, now=now)
    gone = earned - active - pending
    return Account(code, active + pending, active, pending, held, 0, due, earned=earned, redeemed=gone)


def make_ids(*, first: int = 1) -> Ids:
    """Ids from `first` on and bytes, that repeat in every run."""
    fresh, random = itertools.count(first), itertools.count(1)
    return Ids(
        fresh=lambda: next(fresh).to_bytes(16),
        random=lambda size: sha256(str(next(random)).encode()).digest()[:size],
    )


def moment(now: datetime = NOW, *, rules: Rules | Versions | None = None, **more: Any) -> Moment:
    """When and under what a member is judged."""
    versions = rules if isinstance(rules, Versions) else Versions((rules or make_rules(),))
    defaults: dict[str, Any] = {"recorded_at": now, "judged_at": now, "silent": False, "ids": make_ids()}
    return Moment(PROGRAM, versions, **(defaults | more))


def card(number: str = "1001") -> Identity:
    """A card, as an identity."""
    return Identity("card", number, sha256(number.encode()).digest()[:16])


_keys = itertools.count(1)


def command(facts: Facts, *, at: datetime = NOW, member: Reference | None = None, **more: Any) -> Command:
    """A command about Anna, of a key of its own."""
    number = next(_keys)
    key = more.pop("key", f"k{number}")
    who = member if member is not None else Reference() if isinstance(facts, Enrolment) else Reference(ANNA)
    defaults: dict[str, Any] = {"id": number.to_bytes(16), "source": "till"}
    return Command(key=key, member=who, occurred_at=at, facts=facts, **(defaults | more))


def decide(
    state: MemberState,
    facts: Facts | Command,
    *,
    rules: Rules | Versions | None = None,
    now: datetime = NOW,
    identities: Mapping[bytes, bytes] | None = None,
    ids: Ids | None = None,
    named: tuple[Earlier | None, ...] = (),
    friends: Friends = NOBODY,
    last_milestones: tuple[Recorded, ...] = (),
    since: tuple[Recorded, ...] = (),
    engine_number: int = ENGINE,
    **more: Any,
) -> Decision:
    """What the core decides, as the ledger would ask it; `now` is the clock, and when it occurred unless told."""
    asked = facts if isinstance(facts, Command) else command(facts, **({"at": now} | more))
    versions = rules if isinstance(rules, Versions) else Versions((rules or make_rules(),))
    when = engine.moment_of(asked, state, program_id=PROGRAM, versions=versions, clock=now, ids=ids or make_ids())
    when = when._replace(engine=engine_number)
    encoded = encoding.encode_facts(asked.facts)
    digest = chain.command_digest(asked, encoded, state.id, key=b"k" * 32)
    beside = Beside(named=named, milestones=last_milestones, since=since, friends=friends)
    known = identities or {}
    return engine.decide(state, asked, when, digest=digest, facts=encoded, identities=known, beside=beside)


@dataclasses.dataclass
class Books:
    """A member's books in memory, kept as the ledger keeps them: each command finds the event it names."""

    rules: Rules | Versions
    now: datetime = NOW
    state: MemberState = dataclasses.field(default_factory=make_state)
    posted: list[Posted] = dataclasses.field(default_factory=list)
    engine_number: int = ENGINE
    ids: Ids = dataclasses.field(default_factory=lambda: make_ids(first=1 << 64))

    def do(self, facts: Facts | Command, **more: Any) -> Decision:
        """What comes of a command now; kept unless it is refused."""
        asked = facts if isinstance(facts, Command) else command(facts, **({"at": self.now} | more))
        named = tuple(self.earlier(of) for of in commands.names(asked))
        if isinstance(asked.facts, Opening):
            events = (one.recorded for one in self.posted)
            first = next((event for event in events if event.kind not in opening.BEFORE), None)
            named = (None if first is None else Earlier(first),)
        reached = tuple(one.recorded for one in self.posted if one.recorded.kind in MILESTONES)
        decision = decide(
            self.state,
            asked,
            rules=self.rules,
            now=self.now,
            ids=self.ids,
            named=named,
            last_milestones=reached,
            since=tuple(one.recorded for one in self.posted),
            engine_number=self.engine_number,
        )
        if decision.refusal is None:
            self.state = decision.state
            self.posted += decision.events
        return decision

    def settle(self) -> Decision:
        """What the worker writes down now."""
        decision = engine.settle(self.state, moment(self.now, rules=self.rules, ids=self.ids))
        self.state = decision.state
        self.posted += decision.events
        return decision

    def bought(self, facts: Purchase, **more: Any) -> Recorded:
        """The event of a purchase."""
        return accepted(self.do(facts, **more)).recorded

    def earlier(self, of: Named) -> Earlier | None:
        """The event that is named, with what has been recorded about it."""
        events = [one.recorded for one in self.posted]
        key = (of.source, of.kind, of.key)
        named = next((e for e in events if e.id == of.event_id or (e.source, e.kind, e.key) == key), None)
        return None if named is None else Earlier(named, tuple(e for e in events if e.about == named.id))


def wrong(made: Books) -> list[str]:
    """What the proof of the books finds."""
    versions = moment(rules=made.rules).versions
    events = [
        StoredEvent(
            one.recorded,
            (one.salt, one.particulars) if one.particulars else None,
            tuple(StoredMessage(m.number, m.type, m.body, one.recorded.recorded_at) for m in one.messages),
        )
        for one in made.posted
    ]
    return [str(finding) for finding in findings(History(PROGRAM, made.state, events), versions)]


def back(event: Recorded, *lines: ReturnedLine, **more: Any) -> Return:
    """A return of a purchase: of everything, unless lines or an `amount` are given."""
    return Return(Named(event.id), lines, **more)


def accepted(decision: Decision) -> Posted:
    """The command's own event; fails where the command was refused."""
    assert decision.refusal is None, decision.refusal
    assert decision.own is not None
    return next(posted for posted in decision.events if posted.recorded is decision.own)


def gave(decision: Decision) -> dict[str, int]:
    """The points of the command's own event, by unit."""
    return {entry.unit: entry.points for entry in accepted(decision).recorded.entries}


def remaining(state: MemberState) -> list[tuple[int, datetime | None]]:
    """What is left in the open lots and when it ends, in draw order."""
    return [(one.remaining, one.expires_at) for one in sorted(state.lots, key=lots.draw_order)]


def entries(decision: Decision) -> list[Entry]:
    """All entries that the decision posted, in order."""
    return [entry for posted in decision.events for entry in posted.recorded.entries]


def tier(state: MemberState, rules: Rules) -> str:
    """The tier a reader would be shown on the only ladder."""
    (only,) = rules.ladders
    return tiers.standing(state.accounts, state.tiers, only).tier.code


def settle(state: MemberState, *, now: datetime = NOW, rules: Rules | Versions | None = None) -> Decision:
    """What the worker would write down for a member at `now`."""
    return engine.settle(state, moment(now, rules=rules))


def kinds(decision: Decision) -> list[str]:
    """The kinds of the events that the decision posted, in order."""
    return [posted.recorded.kind for posted in decision.events]


def told(decision: Decision) -> list[tuple[str, dict[str, Any]]]:
    """The messages of the decision: type and what the body says beside the common part."""
    bodies = [json.loads(message.body) for posted in decision.events for message in posted.messages]
    return [(body["type"], body["data"]) for body in bodies]
