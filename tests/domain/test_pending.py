"""Points that wait before they count, and every way in which points end (semantics L10, L11, T1)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.calendar import Every, Period, parse_span
from app.domain.commands import Enrolment, Redemption
from app.domain.refusals import InsufficientPoints
from app.domain.rules import Rules
from app.domain.state import MemberState
from app.domain.units import ExpiresAt, ExpiresWithPeriod, Unit, expires_at
from tests.domain.builders import (
    AMSTERDAM,
    ANNA,
    NOW,
    Books,
    accepted,
    back,
    card,
    cents,
    end_of,
    gave,
    kinds,
    ladder,
    make_rules,
    on,
    purchase,
    rate,
    told,
    unit,
    wrong,
)

TWO_WEEKS = parse_span("P14D")
WAITING = unit(pending=TWO_WEEKS, expires="P1M")


def books(*units: Unit, rules: Rules | None = None, **more: Any) -> Books:
    made = Books(rules or make_rules(units=units or (WAITING,)), state=MemberState(id=ANNA), **more)
    made.do(Enrolment((card(),)))
    return made


def account(made: Books, code: str = "points") -> tuple[int, int, int, int]:
    """Balance, active, pending and deficit."""
    found = made.state.accounts[code]
    return found.balance, found.active, found.pending, found.deficit


class TestWaiting:
    """Pending for a period of time."""

    def test_points_wait_then_count_then_end(self) -> None:
        """Semantics L11, L10: they live from when they could first be spent."""
        made = books()
        bought = made.bought(purchase("100.00"))
        (entry,) = bought.entries

        assert (entry.available_at, entry.expires_at) == (NOW + timedelta(days=14), end_of("2027-01-05"))
        assert account(made) == (100, 0, 100, 0)
        assert made.do(Redemption(1)).refusal == InsufficientPoints("points", asked=1, available=0)
        made.now += timedelta(days=14)
        spent = made.do(Redemption(30))
        assert kinds(spent) == ["activation", "redemption"]
        type, data = told(spent)[0]
        assert (type, data["points"]) == ("points.available", {"points": 100})
        assert account(made) == (70, 70, 0, 0)
        made.now = end_of("2027-01-05")
        assert kinds(made.do(purchase("1.00"))) == ["expiry", "purchase"]
        assert account(made) == (1, 0, 1, 0)
        assert wrong(made) == []

    def test_a_late_event_does_not_wait_longer_than_it_has(self) -> None:
        """Semantics L11: never available before it is recorded, and its life counts from the nominal day."""
        made = books()
        bought = made.bought(purchase("100.00"), at=NOW - timedelta(days=20))

        assert bought.entries[0].available_at == NOW
        assert bought.entries[0].expires_at == end_of("2026-12-15")
        assert account(made) == (100, 100, 0, 0)

    def test_pending_points_reach_a_tier_only_when_they_count(self) -> None:
        """Semantics L11, T2, A6: from that instant on."""
        status = unit("status", pending=TWO_WEEKS, spendable=False)
        rules = make_rules(rate(unit="status"), units=(status,), ladders=(ladder(("silver", 100), unit="status"),))
        made = books(rules=rules)
        assert made.bought(purchase("100.00")).tier_changes == ()
        made.now += timedelta(days=30)
        settled = made.settle()

        assert settled.events[0].recorded.tier_changes == (("status", "bronze", "silver"),)
        assert made.state.tiers[0].since == NOW + timedelta(days=14)
        assert wrong(made) == []

    def test_what_counted_and_ended_while_nobody_looked_is_told_in_order(self) -> None:
        """Semantics K2, T2: the tier was reached at its instant, although the points are gone by now."""
        status = unit("status", pending=TWO_WEEKS, spendable=False, expires="P1M")
        rules = make_rules(rate(unit="status"), units=(status,), ladders=(ladder(("silver", 100), unit="status"),))
        made = books(rules=rules)
        made.bought(purchase("100.00"))
        made.now += timedelta(days=365)
        settled = made.settle()

        assert kinds(settled) == ["activation", "expiry"]
        assert [event.recorded.effective_at for event in settled.events] == [
            NOW + timedelta(days=14),
            end_of("2027-01-05"),
        ]
        assert settled.events[0].recorded.tier_changes == (("status", "bronze", "silver"),)
        assert wrong(made) == []

    def test_a_return_takes_pending_points_first(self) -> None:
        """Semantics R3."""
        made = books()
        first = made.bought(purchase("50.00"))
        made.now += timedelta(days=14)
        second = made.bought(purchase("80.00"))

        assert gave(made.do(back(second, amount=cents("30.00"), currency="EUR"))) == {"points": -30}
        assert account(made) == (100, 50, 50, 0)
        made.do(Redemption(50))
        made.do(back(first))
        assert account(made) == (0, 0, 50, 50)
        assert wrong(made) == []

    def test_points_that_begin_to_count_pay_what_is_owed(self) -> None:
        """Semantics L9: by draws, without points in the entry."""
        made = books()
        first = made.bought(purchase("50.00"))
        made.now += timedelta(days=14)
        made.bought(purchase("80.00"))
        made.do(Redemption(50))
        made.do(back(first))
        assert account(made) == (30, 0, 80, 50)
        made.now += timedelta(days=14)
        settled = made.settle()

        (entry,) = settled.events[0].recorded.entries
        assert (entry.points, entry.balance_after, [draw.points for draw in entry.draws]) == (0, 30, [50])
        assert account(made) == (30, 30, 0, 0)
        assert wrong(made) == []

    def test_points_that_end_before_their_wait_is_over_never_count(self) -> None:
        """Semantics L3, L10, L11: a saving action that ends while the last points still wait."""
        made = books(Unit("points", "Points", expiry=ExpiresAt(NOW + timedelta(days=20)), pending=TWO_WEEKS))
        made.bought(purchase("100.00"))
        made.now += timedelta(days=18)
        made.bought(purchase("50.00"))
        assert account(made) == (150, 100, 50, 0)
        made.now += timedelta(days=2)

        assert kinds(made.settle()) == ["expiry"]
        assert account(made) == (0, 0, 0, 0)
        assert wrong(made) == []

    def test_a_settling_that_finds_nothing_left_changes_nothing(self) -> None:
        """Semantics L7: the lot that would end has been spent."""
        made = books(unit(expires="P1M"))
        made.bought(purchase("10.00"))
        made.do(Redemption(10))
        made.now += timedelta(days=60)
        before = made.state

        assert kinds(made.settle()) == []
        assert made.state is before
        assert wrong(made) == []

    def test_settling_twice_writes_nothing(self) -> None:
        """Semantics L7."""
        made = books()
        made.bought(purchase("50.00"))
        made.now += timedelta(days=15)

        assert kinds(made.settle()) == ["activation"]
        assert kinds(made.settle()) == []

    def test_a_unit_that_waits_has_lots_although_it_only_counts(self) -> None:
        """Semantics L3."""
        assert unit(spendable=False, pending=TWO_WEEKS).has_lots


YEARLY = ExpiresWithPeriod(Period(Every.YEAR))


class TestEnds:
    """Expiry with a period, or on one date."""

    @pytest.mark.parametrize(
        ("expiry", "at", "ends"),
        [
            (YEARLY, on("2026-11-21"), end_of("2026-12-31")),
            (YEARLY, on("2026-12-31", "23:59"), end_of("2026-12-31")),
            (YEARLY, on("2027-01-01", "00:00"), end_of("2027-12-31")),
            (ExpiresWithPeriod(Period(Every.YEAR), later=1), on("2026-11-21"), end_of("2027-12-31")),
            (ExpiresAt(end_of("2026-12-24")), on("2026-11-21"), end_of("2026-12-24")),
        ],
    )
    def test_points_of_a_period_end_together(self, expiry: Any, at: datetime, ends: datetime) -> None:
        """Semantics L10."""
        assert expires_at(Unit("points", "Points", expiry=expiry), available_from=at, zone=AMSTERDAM) == ends

    def test_points_earned_minutes_before_the_end_are_told_and_ended(self) -> None:
        """Semantics L10: a lot may be born expired, also when it is hardly late."""
        made = books(Unit("points", "Points", expiry=YEARLY), now=end_of("2026-12-31") + timedelta(minutes=1))
        made.state = made.state._replace(lots_loaded=True)
        decision = made.do(purchase("100.00"), at=end_of("2026-12-31") - timedelta(minutes=1))

        assert kinds(decision) == ["purchase", "expiry"]
        assert account(made) == (0, 0, 0, 0)
        assert accepted(decision).recorded.entries[0].points == 100
        assert wrong(made) == []

    def test_after_the_end_of_a_saving_action_points_are_gone_at_once(self) -> None:
        """Semantics L10."""
        made = books(Unit("points", "Points", expiry=ExpiresAt(NOW - timedelta(days=1))))

        assert kinds(made.do(purchase("10.00"))) == ["purchase", "expiry"]
