"""The money pump: whatever is bought, spent, kept aside, returned and canceled, nothing is gained (semantics R6)."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.calendar import Every, parse_span
from app.domain.combining import Combine, Per
from app.domain.commands import (
    Cancellation,
    Capture,
    Enrolment,
    Facts,
    Hold,
    Named,
    Payment,
    Purchase,
    Redemption,
    Release,
)
from app.domain.events import Recorded
from app.domain.rules import Rules
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    Books,
    back,
    cap,
    changed,
    fixed,
    group,
    ladder_rules,
    line,
    purchase,
    unit,
    wrong,
)

WELCOME = 50
STEPS = ["buy", "buy", "pay", "redeem", "hold", "capture", "release", "return", "cancel", "wait"]

moves = st.tuples(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20), st.integers(1, 300)), max_size=16),
    st.sets(st.integers(0, 15)),
)
"""What is done, and which of the redemptions are kept in the end."""


@dataclass
class Pump:
    """A member who tries to gain, and everything that can be named later."""

    books: Books
    bought: list[Recorded] = field(default_factory=list)
    spent: list[Recorded] = field(default_factory=list)
    holds: list[Recorded] = field(default_factory=list)

    def step(self, what: str, which: int, size: int) -> None:
        """One try; what is refused changes nothing."""
        if what == "wait":
            self.books.now += timedelta(hours=size) if size < 24 else timedelta(days=which)
        elif (facts := self._facts(what, which, size)) is not None:
            event = self.books.do(facts).own
            mine = {"purchase": self.bought, "redemption": self.spent, "capture": self.spent, "hold": self.holds}
            if event is not None:
                mine.get(event.kind, []).append(event)

    def end(self, kept: set[int]) -> None:
        """All goods come back, redemptions and captures are undone unless they are kept, and holds lapse."""
        for event in self.bought:
            self.books.do(Cancellation(Named(event.id)))
        for number, event in enumerate(self.spent):
            if number not in kept:
                self.books.do(Cancellation(Named(event.id)))
        self.books.now += timedelta(days=8)
        self.books.settle()

    def _facts(self, what: str, which: int, size: int) -> Facts | None:
        if what in ("buy", "pay"):
            return self._sale(self.holds[which % len(self.holds)] if what == "pay" and self.holds else None, size)
        if what == "redeem":
            return Redemption(size)
        if what == "hold":
            return Hold(size, lasts=60 * (1 + which * 500))
        if what in ("capture", "release") and self.holds:
            named = Named(self.holds[which % len(self.holds)].id)
            return Release(named) if what == "release" else Capture(named, size if size % 3 else None, size % 2 == 0)
        if what == "return" and self.bought:
            return back(self.bought[which % len(self.bought)], amount=size * 50, currency="EUR")
        if what == "cancel" and self.spent:
            return Cancellation(Named(self.spent[which % len(self.spent)].id), points=size)
        return None

    def _sale(self, hold: Recorded | None, size: int) -> Purchase:
        payments = () if hold is None else (Payment("points", size * 40, hold.key),)
        return purchase(None, line(f"{size}.00"), line("3.33", quantity="3"), payments=payments)

    def used(self) -> int:
        """What redemptions and captures, in purchases too, have taken and not given back."""
        events = {one.recorded.id: one.recorded for one in self.books.posted}
        return -sum(_used(event, events) for event in events.values())


def _used(event: Recorded, events: dict[bytes, Recorded]) -> int:
    moved = [entry.points for entry in event.entries if entry.unit == "points"]
    if event.kind == "purchase":
        return sum(points for points in moved if points < 0)
    if event.about is not None and events[event.about].kind == "purchase":  # what paid for the goods (semantics R4)
        back = (e for e in event.entries if e.unit == "points" and any(draw.points < 0 for draw in e.draws))
        return sum(entry.points for entry in back)
    undone = event.kind == "cancellation" and event.about is not None
    kind = events[event.about].kind if undone and event.about is not None else event.kind
    return sum(moved) if kind in ("redemption", "capture") else 0


def pump(rules: Rules, todo: Any) -> Pump:
    """The member joins, tries all of it, and brings everything back."""
    steps, kept = todo
    tried = Pump(Books(rules, state=MemberState(id=ANNA)))
    tried.books.do(Enrolment())
    for step in steps:
        tried.step(*step)
    tried.end(kept)
    return tried


def rules(*, expires: str | None = None, grace: str | None = None) -> Rules:
    """A point a euro by tiers, and a welcome; deficits have no floor."""
    made = ladder_rules()
    lives_on = None if grace is None else parse_span(grace)
    units = made.units if expires is None else {**made.units, "points": unit(expires=expires, grace=lives_on)}
    return changed(made, rules=(*made.rules, fixed(WELCOME, code="welcome", kind="enrolment")), units=units)


def limited() -> Rules:
    """The same, where rules choose and are capped: over a purchase, a day, a month, and over all members."""
    made = rules()
    units = {**made.units, "points": changed(made.units["points"], caps=(cap("unit:points", 400, every=Every.DAY),))}
    base, *others = made.rules
    offers = (
        changed(base, code="offer", group="g", caps=(cap("rule:offer", 90, per=Per.PROGRAM, every=Every.MONTH),)),
        fixed(40, code="bonus", group="g", caps=(cap("rule:bonus", times=2),)),
    )
    best = group("g", Combine.BEST, cap("group:g", 60, per=Per.EVENT))
    return changed(made, rules=(base, *offers, *others), units=units, groups=best)


def assert_nothing_gained(tried: Pump, *, lost: bool = False) -> None:
    """What is left and what was used is the welcome, or less where points have expired (`lost`)."""
    account, used = tried.books.state.accounts["points"], tried.used()

    assert (account.balance <= WELCOME - used) if lost else (account.balance == WELCOME - used)
    assert account.held == 0
    assert account.available <= max(0, WELCOME - used)
    assert tried.books.do(Redemption(max(0, WELCOME - used) + 1)).refusal is not None
    spent = tried.books.state.accounts.get("spent")
    assert spent is None or spent.balance == 0
    assert wrong(tried.books) == []


@settings(max_examples=300)
@given(moves)
def test_no_sequence_that_ends_with_no_goods_gains_anything(todo: Any) -> None:
    """Semantics R6: nothing expires here, so it also ends with nothing lost."""
    assert_nothing_gained(pump(rules(), todo))


@settings(max_examples=300)
@given(moves)
def test_nor_where_points_expire_meanwhile(todo: Any) -> None:
    """Semantics R6, L8, L12: what expired is lost, and nothing is gained."""
    assert_nothing_gained(pump(rules(expires="P7D"), todo), lost=True)


@settings(max_examples=300)
@given(moves)
def test_nor_where_points_put_back_live_on_for_days_of_grace(todo: Any) -> None:
    """Semantics R6, L8: grace may save what would have expired, and makes no more of it than there was."""
    assert_nothing_gained(pump(rules(expires="P7D", grace="P3D"), todo), lost=True)


@settings(max_examples=100)
@given(moves)
def test_nor_where_rules_choose_and_are_capped(todo: Any) -> None:
    """Semantics R6, A4, A5: and no room stays used."""
    tried = pump(limited(), todo)

    assert_nothing_gained(tried)
    rows = [*tried.books.state.usage.values(), *tried.books.state.shared.values()]
    assert [row for row in rows if row.counter != "cap:unit:points:day"] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=10_000)
@given(moves, st.sampled_from([(None, None), ("P7D", None), ("P7D", "P30D")]))
def test_none_of_ten_thousand_sequences_gains_anything(todo: Any, life: tuple[str | None, str | None]) -> None:
    """Semantics R6, at full size."""
    expires, grace = life
    assert_nothing_gained(pump(rules(expires=expires, grace=grace), todo), lost=expires is not None)
