"""Points put back after they have ended live on for days of grace, where the program grants them (semantics L8)."""

from typing import Any

import pytest

from app.domain import books as bookkeeping
from app.domain.calendar import parse_span
from app.domain.commands import (
    Cancellation,
    Capture,
    Enrolment,
    Hold,
    Named,
    Payment,
    Redemption,
)
from app.domain.events import Recorded
from app.domain.rules import Rules, Versions
from app.domain.state import MemberState
from app.domain.units import Slides
from tests.domain.builders import (
    ANNA,
    Books,
    accepted,
    back,
    changed,
    end_of,
    kept,
    kinds,
    lot,
    make_rules,
    make_state,
    on,
    purchase,
    told,
    unit,
    wrong,
)


def graced(expires: str = "P1M", *, grace: str | None = "P30D", **more: Any) -> Rules:
    """A program whose points live so long, and on for so long once they are put back."""
    return make_rules(units=(unit(expires=expires, grace=None if grace is None else parse_span(grace), **more),))


def spent(made: Books, points: int) -> Recorded:
    return accepted(made.do(Redemption(points))).recorded


def undo(made: Books, event: Recorded, points: int | None = None) -> Any:
    return made.do(Cancellation(Named(event.id), points=points))


def bought(rules: Rules | Versions | None = None, amount: str = "50.00") -> Books:
    """Somebody who buys on 21 November 2026; what that gives ends with 21 December."""
    made = Books(rules or graced(), state=MemberState(id=ANNA))
    made.do(Enrolment())
    made.do(purchase(amount))
    return made


def lots(made: Books) -> list[tuple[int, Any]]:
    return [(one.remaining, one.expires_at) for one in made.state.lots]


def test_points_put_back_after_their_end_live_on_to_the_end_of_a_day() -> None:
    """Semantics L8: so many days from when they are put back; the entry says until when, the credit what was."""
    made = bought()
    redemption = spent(made, 30)
    made.now = on("2027-01-05", "10:15")

    undone = undo(made, redemption)

    assert kinds(undone) == ["expiry", "cancellation"]
    (entry,) = accepted(undone).recorded.entries
    assert (entry.points, entry.available_at, entry.expires_at) == (30, None, end_of("2027-02-04"))
    assert made.posted[1].recorded.entries[0].expires_at == end_of("2026-12-21")
    assert lots(made) == [(30, end_of("2027-02-04"))]
    assert made.state.accounts["points"].next_due_at == end_of("2027-02-04")
    assert wrong(made) == []

    made.now = end_of("2027-02-04")
    assert kinds(made.settle()) == ["expiry"]
    assert made.state.accounts["points"].balance == 0
    assert wrong(made) == []


def test_without_days_of_grace_they_end_again_at_once() -> None:
    """Semantics L8."""
    made = bought(graced(grace=None))
    redemption = spent(made, 30)
    made.now = on("2027-01-05")

    assert kinds(undo(made, redemption)) == ["expiry", "cancellation", "expiry"]
    assert accepted_entry(made, redemption).expires_at is None


def accepted_entry(made: Books, redemption: Recorded) -> Any:
    """The entry that put points of a redemption back."""
    return next(one.recorded.entries[0] for one in made.posted if one.recorded.about == redemption.id)


def test_points_put_back_before_their_end_keep_it() -> None:
    """Semantics L8: also where it comes sooner than grace would end."""
    made = bought()
    redemption = spent(made, 30)
    made.now = on("2026-12-21", "23:59")

    undo(made, redemption)

    assert lots(made) == [(50, end_of("2026-12-21"))]
    assert accepted_entry(made, redemption).expires_at is None
    assert wrong(made) == []


def test_what_has_ended_and_what_has_not_come_back_in_two_entries() -> None:
    """Semantics L8: of one redemption from two lots; each point once."""
    early, late = lot(50, expires="2026-12-31", sequence=1), lot(50, expires="2027-06-30", sequence=2)
    made = Books(graced("P12M"), state=make_state(early, late))
    redemption = spent(made, 70)
    made.now = on("2027-01-10")

    undone = undo(made, redemption)

    entries = accepted(undone).recorded.entries
    assert [(e.position, e.points, e.expires_at) for e in entries] == [(0, 20, None), (1, 50, end_of("2027-02-09"))]
    assert [entry.balance_after for entry in entries] == [50, 100]
    assert sorted(lots(made)) == [(50, end_of("2027-02-09")), (50, end_of("2027-06-30"))]
    assert told(undone)[0][1]["points"] == {"points": 70}
    assert undo(made, redemption).refusal is not None


def test_parts_that_come_back_later_move_the_end_on() -> None:
    """Semantics L8: while the grace lasts the lot has not ended; after it, its points are put back once more."""
    made = bought()
    redemption = spent(made, 50)
    made.now = on("2027-01-05")
    undo(made, redemption, 10)
    made.now = on("2027-01-20")
    undo(made, redemption, 10)
    assert lots(made) == [(20, end_of("2027-02-04"))]

    made.now = on("2027-03-01")
    assert kinds(undo(made, redemption, 10)) == ["expiry", "cancellation"]

    assert lots(made) == [(10, end_of("2027-03-31"))]
    assert wrong(made) == []


def test_points_of_grace_that_are_spent_and_put_back_keep_the_end_they_have() -> None:
    """Semantics L8: the lot's end is the one it was given last."""
    made = bought()
    first = spent(made, 50)
    made.now = on("2027-01-05")
    undo(made, first)
    second = spent(made, 20)
    made.now = on("2027-01-20")

    undo(made, second)

    assert lots(made) == [(50, end_of("2027-02-04"))]
    assert wrong(made) == []


def test_what_is_owed_is_paid_first() -> None:
    """Semantics L9: only what is left lives on."""
    made = bought(amount="80.00")
    goods = made.posted[1].recorded
    redemption = spent(made, 80)
    made.do(back(goods, amount=30_00, currency="EUR"))
    made.now = on("2027-01-05")

    undo(made, redemption)

    account = made.state.accounts["points"]
    assert (account.balance, account.deficit, lots(made)) == (50, 0, [(50, end_of("2027-02-04"))])
    assert wrong(made) == []


def test_what_was_owed_and_paid_since_comes_back_with_grace() -> None:
    """Semantics L8: as points of that day, which would have ended as they came."""
    rules = changed(graced(), offline_allowance={"points": 100})
    made = bought(rules)
    redemption = accepted(made.do(Redemption(80, offline=True))).recorded
    made.do(purchase("40.00"))
    made.now = on("2027-01-05")

    undone = undo(made, redemption)

    assert kinds(undone) == ["expiry", "cancellation"]
    assert sorted(lots(made)) == [(30, end_of("2027-02-04")), (50, end_of("2027-02-04"))]
    assert wrong(made) == []


def test_what_paid_for_goods_that_come_back_lives_on() -> None:
    """Semantics R4, L8."""
    made = bought(amount="100.00")
    hold = accepted(made.do(Hold(40))).recorded
    goods = made.bought(purchase("60.00", payments=(Payment("points", 40_00, hold.key),)))
    made.now = on("2027-01-05")

    made.do(back(goods))

    assert lots(made) == [(20, end_of("2027-02-04"))]  # 40 are back, and 20 that had ended were for the goods
    assert wrong(made) == []


def test_a_capture_undone_lives_on() -> None:
    """Semantics L8, L12."""
    made = bought()
    hold = accepted(made.do(Hold(40))).recorded
    capture = accepted(made.do(Capture(Named(hold.id)))).recorded
    made.now = on("2027-01-05")

    undo(made, capture)

    assert lots(made) == [(40, end_of("2027-02-04"))]
    assert wrong(made) == []


def test_what_a_hold_keeps_of_the_same_lot_lives_on_with_it() -> None:
    """Semantics L8, L12: a lot has one end."""
    held = lot(50, expires="2026-12-31", sequence=1, reserves=kept(20, until=on("2027-03-01")))
    made = Books(graced("P12M"), state=make_state(held))
    redemption = spent(made, 30)
    made.now = on("2027-01-10")

    undo(made, redemption)

    assert [(one.remaining, one.reserved, one.expires_at) for one in made.state.lots] == [
        (50, 20, end_of("2027-02-09"))
    ]


def test_the_rules_in_force_when_it_is_undone_grant_it() -> None:
    """Semantics E3, L8: not those of the day on which the points were spent."""
    versions = Versions(
        (
            graced(grace=None),
            changed(graced(grace="P7D"), version=2, in_force_from=on("2027-01-01")),
        )
    )
    made = bought(versions)
    redemption = spent(made, 30)
    made.now = on("2027-01-05")

    undo(made, redemption)

    assert lots(made) == [(30, end_of("2027-01-12"))]
    assert wrong(made) == []


def test_the_end_of_grace_is_told_ahead() -> None:
    """Semantics L8, L16."""
    made = bought(graced(notice=parse_span("P7D")))
    redemption = spent(made, 50)
    made.now = on("2027-01-05")
    undo(made, redemption)
    made.now = on("2027-01-29")

    assert kinds(made.settle()) == ["expiry_notice"]
    assert wrong(made) == []


def test_a_unit_that_slides_has_nothing_to_grant() -> None:
    """Semantics L8, L10: points put back begin the account anew."""
    slides = Slides(parse_span("P1M"), frozenset({"purchase"}))
    made = bought(make_rules(units=(changed(unit(grace=parse_span("P30D")), expiry=slides),)))
    redemption = spent(made, 50)
    made.now = on("2027-01-05")

    undo(made, redemption)

    assert lots(made) == [(50, None)]
    assert made.state.accounts["points"].active_until == end_of("2027-02-05")
    assert wrong(made) == []


def test_the_books_count_them_as_put_back() -> None:
    """Semantics L15: in either entry."""
    early, late = lot(50, expires="2026-12-31", sequence=1), lot(50, expires="2027-06-30", sequence=2)
    made = Books(graced("P12M"), state=make_state(early, late))
    redemption = spent(made, 70)
    made.now = on("2027-01-10")

    undone = accepted(undo(made, redemption)).recorded

    assert [bookkeeping.way(undone.kind, entry) for entry in undone.entries] == [("redeemed", -20), ("redeemed", -50)]


@pytest.mark.parametrize(("put_back", "last"), [("2027-03-26", "2027-03-28"), ("2027-10-29", "2027-10-31")])
def test_days_of_grace_are_those_of_the_programs_zone(put_back: str, last: str) -> None:
    """Semantics L8: the day on which clocks change counts whole."""
    made = bought(graced(grace="P2D"))
    redemption = spent(made, 50)
    made.now = on(put_back, "23:30")

    undo(made, redemption)

    assert lots(made) == [(50, end_of(last))]
