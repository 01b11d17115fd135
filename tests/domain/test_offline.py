"""Redemptions that tills made without a network: judged by what the member had then (semantics L6)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import books as bookkeeping
from app.domain.books import Moved
from app.domain.calendar import parse_span
from app.domain.commands import (
    Adjustment,
    Cancellation,
    Command,
    Enrolment,
    Hold,
    Named,
    Redemption,
    Release,
)
from app.domain.events import Decision, Recorded
from app.domain.refusals import OfflineAllowance
from app.domain.rules import AdjustmentTerms
from app.domain.state import MemberState
from app.domain.units import Slides, Unit
from tests.domain.builders import (
    ANNA,
    Books,
    accepted,
    back,
    changed,
    command,
    end_of,
    kinds,
    make_rules,
    on,
    purchase,
    told,
    unit,
    wrong,
)

DAY = timedelta(days=1)
SLIDES = changed(unit(), expiry=Slides(parse_span("P1M"), frozenset({"purchase"})))


def books(points: Unit | None = None, *, allowance: int = 20, now: str = "2026-11-01", **more: Any) -> Books:
    """Anna's books; points live for a month unless a unit says otherwise, and 20 may be owed."""
    rules = make_rules(
        units=(points or unit(expires="P1M"),),
        offline_allowance={"points": allowance},
        adjustments=AdjustmentTerms(("goodwill",)),
        late=60 * DAY,
    )
    made = Books(rules, now=on(now), state=MemberState(id=ANNA), **more)
    assert made.do(Enrolment()).refusal is None
    return made


def buy(made: Books, amount: str, day: str) -> Recorded:
    made.now = max(made.now, on(day))
    return made.bought(purchase(amount), at=on(day))


def spend(made: Books, points: int, day: str | datetime, **more: Any) -> Decision:
    """A till's redemption of that day, which arrives now."""
    at = on(day) if isinstance(day, str) else day
    return made.do(command(Redemption(points, offline=True), at=at, **more))


def figures(made: Books) -> tuple[int, int]:
    """Balance and deficit."""
    account = made.state.accounts["points"]
    return account.balance, account.deficit


def left(made: Books) -> dict[int, int]:
    """What remains of each lot, by the number of what gave it."""
    return {lot.sequence: lot.remaining for lot in made.state.lots}


def drawn(decision: Decision) -> list[tuple[int, int]]:
    (entry,) = accepted(decision).recorded.entries
    return [(draw.lot_sequence, draw.points) for draw in entry.draws]


def moved(made: Books) -> Moved:
    """What all entries moved, by the books."""
    whole = Moved()
    for one in made.posted:
        for entry in one.recorded.entries:
            whole = whole.and_more(*bookkeeping.way(one.recorded.kind, entry))
    return whole


class TestWhatCameSince:
    """Points that came after the redemption do not count for it."""

    def test_they_do_not_cover_it(self) -> None:
        """Semantics L6: refused, with what the member had then."""
        made = books()
        buy(made, "10.00", "2026-11-02")
        buy(made, "100.00", "2026-11-04")

        refused = spend(made, 31, "2026-11-03")

        assert refused.refusal == OfflineAllowance("points", asked=31, available=10, allowance=20, deficit=0)
        assert (figures(made), wrong(made)) == ((110, 0), [])

    def test_they_pay_at_once_what_may_be_owed(self) -> None:
        """Semantics L6, L9: no deficit stands beside points that are free."""
        made = books()
        then, since = buy(made, "10.00", "2026-11-02"), buy(made, "15.00", "2026-11-04")

        taken = spend(made, 30, "2026-11-03")

        assert drawn(taken) == [(then.sequence, 10), (since.sequence, 15)]
        assert figures(made) == (-5, 5)
        assert moved(made) == Moved(issued=25, redeemed=30)
        assert wrong(made) == []

    def test_what_the_member_had_then_is_drawn_first(self) -> None:
        """Semantics L5, L6: also where what came since ends sooner."""
        made = books()
        made.do(Adjustment(10, "points", "goodwill", "kim", expires_at=on("2027-06-30")))
        made.now = on("2026-11-04")
        buy(made, "50.00", "2026-11-04")

        taken = spend(made, 15, "2026-11-03")

        assert drawn(taken) == [(2, 10), (3, 5)]
        assert left(made) == {3: 45}

    def test_what_waited_then_does_not_cover_it(self) -> None:
        """Semantics L6, L11: it had been earned, and could not be spent yet."""
        made = books(unit(pending=parse_span("P5D")))
        waited = buy(made, "100.00", "2026-11-02")
        made.now = on("2026-11-08")

        assert spend(made, 21, "2026-11-06").refusal == OfflineAllowance("points", 21, 0, 20, 0)
        assert drawn(spend(made, 20, "2026-11-06")) == [(waited.sequence, 20)]
        assert drawn(spend(made, 21, "2026-11-08")) == [(waited.sequence, 21)]
        assert wrong(made) == []

    def test_what_has_been_spent_since_is_gone(self) -> None:
        """Semantics L6: only what is unspent covers it, and what no hold keeps."""
        made = books()
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-11-05")
        made.do(Redemption(60))
        made.do(Hold(30))

        assert spend(made, 31, "2026-11-03").refusal == OfflineAllowance("points", 31, 10, 20, 0)
        assert figures(made) == (40, 0)
        assert accepted(spend(made, 30, "2026-11-03")).recorded.accounts["points"].deficit == 20
        assert wrong(made) == []

    def test_a_debt_and_what_is_short_share_the_allowance(self) -> None:
        """Semantics L6."""
        made = books()
        sold = buy(made, "15.00", "2026-11-02")
        made.now = on("2026-11-04")
        made.do(Redemption(15))
        made.do(back(sold))
        assert figures(made) == (-15, 15)

        assert spend(made, 6, "2026-11-03").refusal == OfflineAllowance("points", 6, 0, 20, 15)
        assert accepted(spend(made, 5, "2026-11-03")).recorded.accounts["points"].deficit == 20
        assert wrong(made) == []

    def test_somebody_may_let_it_in(self) -> None:
        """Semantics L6, E3: the goods are gone."""
        made = books()
        buy(made, "100.00", "2026-11-04")

        accepted(spend(made, 130, "2026-11-03", admitted_by="kim"))

        assert figures(made) == (-30, 30)
        assert wrong(made) == []

    def test_a_purchase_by_a_clock_ahead_covers_only_what_comes_after_it(self) -> None:
        """Semantics E3, L6: the till gave the goods out before it, as both clocks say."""
        made = books()
        made.do(purchase("100.00"), at=made.now + timedelta(minutes=4))
        made.now += timedelta(minutes=10)

        refused = spend(made, 21, made.now - timedelta(minutes=8))

        assert refused.refusal == OfflineAllowance("points", 21, 0, 20, 0)
        assert accepted(spend(made, 21, made.now - timedelta(minutes=6)))

    def test_a_clock_that_is_ahead_gives_nothing_early(self) -> None:
        """Semantics E3, L6: by our clock what is yet to come is not there."""
        made = books(unit(pending=parse_span("P5D")))
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-11-07") - timedelta(minutes=1)

        assert spend(made, 21, made.now + timedelta(minutes=3)).refusal == OfflineAllowance("points", 21, 0, 20, 0)

    def test_older_events_stay_as_they_were_judged(self) -> None:
        """Semantics L15: under the engine before, by what was available when it was recorded."""
        made = books(engine_number=2)
        buy(made, "100.00", "2026-11-04")
        accepted(spend(made, 100, "2026-11-03"))
        made.now = on("2026-12-10")
        assert spend(made, 21, "2026-11-05").refusal == OfflineAllowance("points", 21, 0, 20, 0)

        assert accepted(spend(made, 20, "2026-11-05")).recorded.engine == 2
        assert wrong(made) == []


class TestWhatHasEndedSince:
    """Points that the member had when the till gave the goods out, and that ended before it told so."""

    @pytest.mark.parametrize("worker", [False, True])
    def test_they_are_taken_back_from_their_end(self, worker: bool) -> None:
        """Semantics L6, L15: less has expired, more is redeemed; the same whether or not the worker came first."""
        made = books()
        sold = buy(made, "100.00", "2026-11-02")
        made.now = on("2026-12-05")
        if worker:
            assert kinds(made.settle()) == ["expiry"]

        late = spend(made, 70, "2026-12-02")

        assert kinds(late)[not worker :] == ["expiry_reversal", "redemption"]
        end, undone = (one.recorded for one in made.posted[-3:-1])
        assert (undone.source, undone.about, undone.effective_at) == ("zegel", end.id, end_of("2026-12-02"))
        (entry,) = undone.entries
        assert (entry.points, entry.balance_after, entry.expires_at) == (70, 70, None)
        assert undone.accounts["points"].available == 0  # past their end, they are nobody else's to spend
        assert drawn(late) == [(sold.sequence, 70)]
        assert (figures(made), made.state.lots) == ((0, 0), ())
        assert moved(made) == Moved(issued=100, redeemed=70, expired=30)
        assert made.state.accounts["points"].expired == 30
        assert ("points.restored", {"points": 70}) in [(type, body.get("points")) for type, body in told(late)]
        assert wrong(made) == []

    def test_they_are_drawn_before_what_ends_later(self) -> None:
        """Semantics L5, L6: as if the till had had a network."""
        made = books()
        first, second = buy(made, "40.00", "2026-11-02"), buy(made, "60.00", "2026-11-20")
        made.now = on("2026-12-05")

        late = spend(made, 50, "2026-12-01")

        assert drawn(late) == [(first.sequence, 40), (second.sequence, 10)]
        assert left(made) == {second.sequence: 50}
        assert wrong(made) == []

    def test_of_several_ends_the_earliest_first(self) -> None:
        """Semantics L5, L6: one event each, and no more of the last than is needed."""
        made = books()
        lots = [buy(made, "30.00", day).sequence for day in ("2026-11-02", "2026-11-04", "2026-11-06")]
        made.now = on("2026-12-15")

        late = spend(made, 40, "2026-12-01")

        assert kinds(late) == ["expiry"] * 3 + ["expiry_reversal"] * 2 + ["redemption"]
        assert drawn(late) == [(lots[0], 30), (lots[1], 10)]
        assert moved(made) == Moved(issued=90, redeemed=40, expired=50)
        assert wrong(made) == []

    def test_what_has_been_taken_back_is_not_there_again(self) -> None:
        """Semantics L6: two tills, and a third that comes too late."""
        made = books()
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-12-05")
        for points in (70, 20):
            accepted(spend(made, points, "2026-12-01"))

        assert spend(made, 31, "2026-12-01").refusal == OfflineAllowance("points", 31, 10, 20, 0)
        accepted(spend(made, 30, "2026-12-01"))

        assert figures(made) == (-20, 20)
        assert moved(made) == Moved(issued=100, redeemed=120)
        assert wrong(made) == []

    def test_a_refusal_takes_nothing_back(self) -> None:
        """Semantics L6: refused it is as if it had never come."""
        made = books()
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-12-05")
        made.settle()
        before = made.state

        refused = spend(made, 121, "2026-12-01")

        assert refused.refusal == OfflineAllowance("points", 121, 100, 20, 0)
        assert (refused.events, made.state) == ((), before)

    def test_what_had_ended_by_then_stays_ended(self) -> None:
        """Semantics L3, L6: that instant included; and neither does what came between, and ended too."""
        made = books()
        buy(made, "100.00", "2026-11-02")
        buy(made, "100.00", "2026-12-03")
        made.now = on("2027-01-10")

        refused = spend(made, 21, end_of("2026-12-02"))

        assert refused.refusal == OfflineAllowance("points", 21, 0, 20, 0)
        assert accepted(spend(made, 21, end_of("2026-12-02") - timedelta.resolution))
        assert wrong(made) == []

    def test_a_redemption_with_a_network_takes_nothing_back(self) -> None:
        """Semantics E3: whether points can be spent is judged when it is recorded."""
        made = books()
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-12-05")

        assert made.do(Redemption(1), at=on("2026-12-01")).refusal is not None

    def test_they_pay_no_debt_of_later(self) -> None:
        """Semantics L6, L9: they were spent before it was made."""
        made = books(allowance=0)
        buy(made, "100.00", "2026-11-02")
        sold = buy(made, "30.00", "2026-12-04")
        made.do(Redemption(30))
        made.do(back(sold))
        assert figures(made) == (-30, 30)

        late = spend(made, 70, "2026-12-01")

        assert kinds(late) == ["expiry_reversal", "redemption"]
        assert figures(made) == (-30, 30)
        assert wrong(made) == []

    @pytest.mark.parametrize(("grace", "remains"), [(None, 0), ("P30D", 70)])
    def test_undone_they_end_again_or_live_on_by_grace(self, grace: str | None, remains: int) -> None:
        """Semantics L8: as with any redemption; and what ended twice can be taken back once more."""
        made = books(unit(expires="P1M", grace=None if grace is None else parse_span(grace)))
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-12-05")
        redemption = accepted(spend(made, 70, "2026-12-01")).recorded

        undone = made.do(Cancellation(Named(redemption.id)))

        assert kinds(undone) == ["cancellation", *["expiry"] * (not remains)]
        assert figures(made) == (remains, 0)
        assert drawn(spend(made, 100, "2026-12-01")) == [(2, 100)]
        assert figures(made) == (0, 0)
        assert wrong(made) == []

    def test_what_a_hold_kept_over_their_end_stays_with_it(self) -> None:
        """Semantics L6, L12: reserved then as now, and ended once it is freed."""
        made = books()
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-12-02")
        hold = accepted(made.do(Hold(60, lasts=7 * 86_400))).recorded
        made.now = on("2026-12-05")

        assert spend(made, 61, "2026-12-01").refusal == OfflineAllowance("points", 61, 40, 20, 0)
        accepted(spend(made, 30, "2026-12-01"))
        assert left(made) == {2: 60}
        assert kinds(made.do(Release(Named(hold.id)))) == ["release", "expiry"]
        assert drawn(spend(made, 70, "2026-12-01")) == [(2, 70)]
        assert figures(made) == (0, 0)
        assert wrong(made) == []


def test_the_example_of_the_guide() -> None:
    """Semantics L6: the table in docs/offline.md."""
    made = books()
    buy(made, "100.00", "2026-11-21")
    buy(made, "40.00", "2026-12-23")
    made.now = on("2026-12-25")
    assert figures(made) == (40, 0)

    balances = []
    for points in (70, 45):
        accepted(spend(made, points, "2026-12-20"))
        balances.append(figures(made))

    assert balances == [(40, 0), (25, 0)]
    assert spend(made, 21, "2026-12-20").refusal == OfflineAllowance("points", 21, 0, 20, 0)
    assert wrong(made) == []


class TestAccountsThatEndTogether:
    """Semantics L6, L10: the same where all points end with the account."""

    def ended(self) -> Books:
        """100 points of 2 November that ended on 2 December, after the last purchase."""
        made = books(SLIDES)
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-12-05")
        return made

    def test_what_ended_is_taken_back(self) -> None:
        made = self.ended()

        late = spend(made, 70, "2026-12-01")

        assert kinds(late) == ["expiry", "expiry_reversal", "redemption"]
        account = made.state.accounts["points"]
        assert (figures(made), made.state.lots, account.active_until) == ((0, 0), (), None)
        assert wrong(made) == []

    def test_a_late_event_that_keeps_the_account_brings_back_the_rest(self) -> None:
        made = self.ended()
        accepted(spend(made, 70, "2026-12-01"))

        late = made.do(purchase("5.00"), at=on("2026-12-02"))

        assert kinds(late) == ["expiry_reversal", "purchase"]
        assert left(made) == {2: 30, made.state.sequence: 5}
        assert drawn(spend(made, 31, "2026-12-01")) == [(2, 30), (late.events[-1].recorded.sequence, 1)]
        assert wrong(made) == []

    def test_nothing_is_taken_back_twice(self) -> None:
        made = self.ended()
        made.do(purchase("5.00"), at=on("2026-12-02"))

        late = spend(made, 70, "2026-12-01")

        assert kinds(late) == ["redemption"]
        assert figures(made) == (35, 0)
        assert wrong(made) == []

    def test_what_a_hold_keeps_lives_no_longer_for_it(self) -> None:
        """Semantics L12: it outlives the account, and ends once it is freed."""
        made = books(SLIDES)
        buy(made, "100.00", "2026-11-02")
        made.now = on("2026-12-02")
        hold = accepted(made.do(Hold(60, lasts=7 * 86_400))).recorded
        made.now = on("2026-12-05")

        accepted(spend(made, 40, "2026-12-01"))

        assert kinds(made.do(Release(Named(hold.id)))) == ["release", "expiry"]
        assert figures(made) == (0, 0)
        assert wrong(made) == []

    def test_points_of_a_new_life_keep_their_end(self) -> None:
        made = self.ended()
        buy(made, "5.00", "2026-12-05")
        until = made.state.accounts["points"].active_until

        accepted(spend(made, 70, "2026-12-01"))

        assert (left(made), made.state.accounts["points"].active_until) == ({4: 5}, until)
        assert wrong(made) == []


purchases = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 50)), min_size=1, max_size=6)
"""On which day, and what they give."""


@given(purchases, st.integers(0, 70), st.integers(1, 150), st.integers(0, 40))
def test_a_till_that_tells_late_leaves_what_it_would_have_left_in_time(
    sold: list[tuple[int, int]], day: int, points: int, late: int
) -> None:
    """Semantics L6: where the member had enough, whatever has ended or come since."""
    start = on("2026-11-01")
    lived: list[Books] = []
    for comes in (day, day + late):
        made = books(allowance=0)
        tills: list[tuple[int, Command]] = [
            (at, command(purchase(f"{n}.00"), at=start + at * DAY, key=f"p{k}")) for k, (at, n) in enumerate(sold)
        ]
        redemption = command(Redemption(points, offline=True), at=start + day * DAY + timedelta(hours=1), key="r")
        for at, one in sorted([*tills, (comes, redemption)], key=lambda pair: (pair[0], pair[1].key == "r")):
            made.now = max(made.now, start + at * DAY + timedelta(hours=2))
            made.do(one)
        made.now = start + 120 * DAY
        made.settle()
        lived.append(made)
        assert wrong(made) == []

    assert moved(lived[0]) == moved(lived[1])


steps = st.lists(
    st.tuples(
        st.sampled_from(["buy", "buy", "spend", "spend", "spend", "hold", "undo", "back", "online", "settle"]),
        st.integers(1, 60),
        st.sampled_from([0, 0, 1, 3, 8, 29]),
        st.sampled_from([0, 0, 1, 6, 20]),
    ),
    min_size=4,
    max_size=14,
)
UNITS = (
    unit(expires="P7D"),
    unit(expires="P7D", grace=parse_span("P4D"), notice=parse_span("P2D")),
    unit(expires="P7D", pending=parse_span("P3D")),
    changed(unit(), expiry=Slides(parse_span("P7D"), frozenset({"purchase"})), notice=parse_span("P2D")),
    changed(unit(), expiry=Slides(parse_span("P7D"), frozenset({"purchase", "redemption"})), pending=parse_span("P2D")),
)


@given(st.sampled_from(UNITS), steps)
def test_whatever_happens_the_books_agree(points: Unit, told_steps: list[tuple[str, int, int, int]]) -> None:
    """Semantics L9, L15: lots are what the account says, and no debt stands beside points that are free."""
    made = books(points)
    for what, amount, late, waits in told_steps:
        made.now += waits * DAY + timedelta(minutes=7)
        _step(made, what, amount, made.now - late * DAY)
        made.settle()
        account = made.state.accounts.get("points")
        if account is None:
            continue
        free = [lot for lot in made.state.lots if lot.available_at <= made.now and lot.remaining > lot.reserved]
        assert not (account.deficit and free)
        assert account.balance == sum(lot.remaining for lot in made.state.lots) - account.deficit
        whole = moved(made)
        assert (account.expired, account.redeemed) == (whole.expired, whole.redeemed)
    assert wrong(made) == []


def _step(made: Books, what: str, amount: int, at: datetime) -> None:
    if what == "buy":
        made.do(purchase(f"{amount}.00"), at=at)
    elif what == "spend":
        spend(made, amount, at)
    elif what == "online":
        made.do(Redemption(amount))
    elif what == "hold":
        made.do(Hold(amount, lasts=7 * 86_400))
    elif what in ("undo", "back"):
        kind = "redemption" if what == "undo" else "purchase"
        events = [one.recorded for one in made.posted if one.recorded.kind == kind]
        if events:
            event = events[amount % len(events)]
            made.do(Cancellation(Named(event.id)) if what == "undo" else back(event))
