"""Random years of a member on a ladder with reviews, against a model of a few lines (semantics T2–T5, T8, K2)."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import Every, Period
from app.domain.events import Recorded
from app.domain.ladders import AtEndOf, Fall
from tests.domain.builders import accepted, back, command, purchase, wrong
from tests.domain.climbing import books, held, program, settle, status

STEPS = (0, 200, 500, 900)
NAMES = ("bronze", "silver", "gold", "platinum")
QUARTER = Period(Every.QUARTER)
FIRST = date(2026, 1, 1)


def quarter(day: date) -> int:
    return (day.year - FIRST.year) * 4 + (day.month - 1) // 3


def starts(number: int) -> date:
    return date(FIRST.year + number // 4, number % 4 * 3 + 1, 1)


def met(credits: int) -> int:
    return max(rank for rank, least in enumerate(STEPS) if credits >= least)


@dataclass
class Model:
    """A quarter's credits count for that quarter; at its end they decide."""

    fall: Fall
    rank: int = 0
    confirmed: int = 0
    now: int = 0
    credits: dict[int, int] = field(default_factory=dict)
    missed: tuple[int, int, int] | None = None
    """The quarter that was missed, the rank before, and what there was."""

    def decided(self, rank: int, credits: int) -> int:
        enough = met(credits)
        return enough if enough >= rank or self.fall is Fall.TO_WHAT_IS_MET else max(enough, rank - 1)

    def until(self, number: int) -> None:
        while self.now < number:
            had = self.credits.get(self.now, 0)
            left = self.decided(self.rank, had)
            if left < self.rank:
                self.missed = (self.now, self.rank, had)
            elif self.rank:
                self.missed = None
            if self.rank:
                self.rank = self.confirmed = left
            self.now += 1

    def buy(self, number: int, credits: int) -> None:
        self.credits[number] = self.credits.get(number, 0) + credits
        if number == self.now:
            enough = met(self.credits[number])
            if enough > self.rank:
                self.rank = enough
                if self.missed is not None and enough >= self.missed[1]:
                    self.missed = None
        elif self.missed is not None and number == self.missed[0]:
            at, before, had = self.missed
            self.missed = (at, before, had + credits)
            would = self.decided(before, had + credits)
            if would > self.rank:
                self.rank = self.confirmed = would
            if would >= before:
                self.missed = None

    def take(self, number: int, credits: int) -> None:
        """Only what still counts is taken: what has ended with its quarter is there no longer."""
        if number != self.now:
            return
        had = self.credits[number]
        self.credits[number] = had - credits
        left = max(met(had - credits), self.confirmed)
        if met(had) >= self.rank and left < self.rank:
            self.rank = left


steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 200)),
        st.tuples(st.just("buy"), st.integers(50, 700)),
        st.tuples(st.just("late"), st.integers(50, 700)),
        st.tuples(st.just("return"), st.integers(0, 5)),
        st.tuples(st.just("settle"), st.just(0)),
    ),
    min_size=1,
    max_size=14,
)


@given(steps, st.sampled_from(Fall))
def test_the_core_agrees_with_the_model(history: list[tuple[str, int]], fall: Fall) -> None:
    """Semantics T2, T3, T5, T8: whatever the member does, however seldom the worker looks."""
    levels: tuple[Any, ...] = tuple(zip(NAMES[1:], STEPS[1:], strict=True))
    made = books(program(*levels, credits=status(QUARTER), review=AtEndOf(QUARTER), fall=fall))
    model, day, bought = Model(fall), FIRST, list[tuple[Recorded, int, int]]()
    for what, number in history:
        made.now = made.now.replace(year=day.year, month=day.month, day=day.day, hour=12)
        if what == "wait":
            day += timedelta(days=number)
            continue
        model.until(quarter(day))
        if what == "settle" or (what == "return" and number >= len(bought)):
            made.settle()
        elif what == "return":
            event, of, credits = bought.pop(number)
            made.do(back(event))
            model.take(of, credits)
        else:
            at = made.now
            if what == "late":
                at = max(at - timedelta(days=25), at.replace(year=FIRST.year, month=1, day=1))
            of = quarter(at.date())
            event = accepted(made.do(command(purchase(f"{number}.00"), at=at))).recorded
            bought.append((event, of, number))
            model.buy(of, number)
        assert held(made) == NAMES[model.rank], (what, number, day)
    assert wrong(made) == []


@given(steps)
def test_settling_often_or_seldom_is_the_same(history: list[tuple[str, int]]) -> None:
    """Semantics K2: the tiers, and since when they are held, do not depend on how often the worker came."""
    levels: tuple[Any, ...] = tuple(zip(NAMES[1:], STEPS[1:], strict=True))
    rules = program(*levels, credits=status(QUARTER), review=AtEndOf(QUARTER), fall=Fall.ONE_STEP)
    often, seldom, day = books(rules), books(rules), FIRST
    for what, number in history:
        if what == "buy":
            for made in (often, seldom):
                made.now = made.now.replace(year=day.year, month=day.month, day=day.day, hour=12)
                made.do(command(purchase(f"{number}.00"), at=made.now))
        elif what == "wait":
            for _ in range(number // 30):
                day += timedelta(days=30)
                settle(often, day.isoformat())
    for made in (often, seldom):
        settle(made, (day + timedelta(days=1)).isoformat())

    assert often.state.tiers == seldom.state.tiers
    assert often.state.tiers_due_at == seldom.state.tiers_due_at
