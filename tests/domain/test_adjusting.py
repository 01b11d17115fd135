"""Points named outright by a person, and when a second one must agree (semantics E5, E6, R3, T1, T5, L9)."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain import chain, encoding, messages
from app.domain.adjusting import WAITS, Day, Proposal, Standing, check_decision, standing, waits
from app.domain.calendar import parse_span
from app.domain.commands import Activity, Adjustment, Cancellation, Enrolment, Named, Redemption
from app.domain.events import Decision
from app.domain.refusals import (
    AdjustmentLapsed,
    AlreadyDecided,
    DailyLimit,
    ExpiryNotPossible,
    NothingLeft,
    NotReversible,
    Refusal,
    Refused,
    SelfApproval,
    UnknownReason,
    UnknownUnit,
)
from app.domain.rules import AdjustmentTerms, Rules, Shortage
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    LONG_AGO,
    NOW,
    SPENT,
    Books,
    accepted,
    back,
    card,
    changed,
    end_of,
    fixed,
    gave,
    kinds,
    ladder_rules,
    make_rules,
    purchase,
    rate,
    remaining,
    tier,
    told,
    unit,
    wrong,
)

TERMS = AdjustmentTerms(("goodwill", "correction"))


def adjusted(points: int, *, unit: str = "points", reason: str = "goodwill", **more: Any) -> Adjustment:
    """An adjustment that Kim asks for."""
    return Adjustment(points, unit, reason, "kim", **more)


def books(rules: Rules | None = None, **more: Any) -> Books:
    """Anna's books from her enrolment on, in a program where persons may adjust."""
    known = changed(rules or make_rules(), adjustments=TERMS)
    made = Books(known, state=MemberState(id=ANNA), **more)
    assert made.do(Enrolment((card(),))).refusal is None
    return made


def undone(decision: Decision, kind: str = "adjustment") -> Cancellation:
    """The cancellation of what a decision recorded."""
    return Cancellation(Named(accepted(decision).recorded.id, kind=kind))


def steps(decision: Decision) -> list[tuple[str, str]]:
    return [(what, value) for _, _, what, value in accepted(decision).recorded.steps]


class TestGiving:
    """Points above zero."""

    def test_they_open_a_lot_with_the_units_own_dates(self) -> None:
        made = books(make_rules(units=(unit(expires="P12M"),)))

        given = made.do(adjusted(30))

        assert gave(given) == {"points": 30}
        assert remaining(made.state) == [(30, end_of("2027-11-21"))]
        assert made.state.accounts["points"].earned == 30
        assert steps(given) == [("adjusted", "30")]
        assert wrong(made) == []

    def test_they_end_at_the_instant_that_is_named_instead(self) -> None:
        made = books(make_rules(units=(unit(expires="P12M"),)))

        made.do(adjusted(30, expires_at=end_of("2026-12-31")))

        assert remaining(made.state) == [(30, end_of("2026-12-31"))]
        assert wrong(made) == []

    def test_they_wait_where_the_units_points_wait(self) -> None:
        made = books(make_rules(units=(unit(pending=parse_span("P14D")),)))

        made.do(adjusted(30))

        assert (made.state.accounts["points"].pending, made.state.accounts["points"].available) == (30, 0)
        assert wrong(made) == []

    @pytest.mark.parametrize("ends", [NOW, NOW - timedelta(days=1)])
    def test_no_end_is_taken_that_leaves_no_time_to_spend_them(self, ends: Any) -> None:
        made = books()

        assert made.do(adjusted(30, expires_at=ends)).refusal == ExpiryNotPossible("points", NOW)

    def test_they_end_after_their_wait_or_not_at_all(self) -> None:
        made = books(make_rules(units=(unit(pending=parse_span("P14D")),)))
        begins = NOW + timedelta(days=14)

        assert made.do(adjusted(30, expires_at=begins)).refusal == ExpiryNotPossible("points", begins)

    def test_what_has_no_lots_never_ends(self) -> None:
        made = books(make_rules(units=(unit(), SPENT)))

        ends = made.do(adjusted(30, unit="spent", expires_at=end_of("2027-01-01")))

        assert ends.refusal == ExpiryNotPossible("spent", None)
        assert gave(made.do(adjusted(30, unit="spent"))) == {"spent": 30}
        assert wrong(made) == []

    def test_they_pay_what_is_owed(self) -> None:
        """Semantics L9."""
        made = books()
        made.do(adjusted(-20))

        made.do(adjusted(50, reason="correction"))

        account = made.state.accounts["points"]
        assert (account.balance, account.available, account.deficit) == (30, 30, 0)
        assert wrong(made) == []

    def test_shops_are_told_the_points_and_the_reason_alone(self) -> None:
        made = books()

        (message,) = told(made.do(adjusted(30), particulars=b'{"note":"private"}'))

        assert message[0] == messages.ADJUSTED
        assert (message[1]["points"], message[1]["reason"]) == ({"points": 30}, "goodwill")
        assert "private" not in str(message)
        assert "kim" not in str(message)


class TestTaking:
    """Points below zero are taken as a return takes them (semantics R3)."""

    def test_what_ends_first_goes_first(self) -> None:
        made = books(make_rules(units=(unit(expires="P12M"),)))
        made.do(adjusted(50))
        made.do(adjusted(50, expires_at=end_of("2026-12-31")))

        taken = made.do(adjusted(-70, reason="correction"))

        assert gave(taken) == {"points": -70}
        assert remaining(made.state) == [(30, end_of("2027-11-21"))]
        assert made.state.accounts["points"].reversed == 70
        assert told(taken)[0][1]["points"] == {"points": -70}
        assert wrong(made) == []

    def test_what_is_not_there_is_owed(self) -> None:
        made = books()
        made.do(adjusted(30))

        taken = made.do(adjusted(-50))

        assert gave(taken) == {"points": -50}
        assert made.state.accounts["points"].deficit == 20
        assert wrong(made) == []

    def test_a_member_who_never_had_any_owes_it_all(self) -> None:
        made = books()

        made.do(adjusted(-50))

        assert (made.state.accounts["points"].balance, made.state.accounts["points"].deficit) == (-50, 50)
        assert wrong(made) == []

    @pytest.mark.parametrize(
        ("shortage", "taken", "forgiven"),
        [(Shortage(forgive=True), -30, 20), (Shortage(floors={"points": 5}), -35, 15)],
    )
    def test_what_the_program_forgives_is_reported(self, shortage: Shortage, taken: int, forgiven: int) -> None:
        made = books(make_rules(shortage=shortage))
        made.do(adjusted(30))

        event = made.do(adjusted(-50))

        assert gave(event) == {"points": taken}
        assert steps(event) == [("adjusted", str(taken)), ("forgiven", str(forgiven))]
        assert chain.context_of(accepted(event).recorded.content) == {"forgiven": {"points": forgiven}}
        assert wrong(made) == []

    def test_where_nothing_can_be_taken_nothing_moves(self) -> None:
        made = books(make_rules(shortage=Shortage(forgive=True)))

        event = made.do(adjusted(-50))

        assert gave(event) == {}
        assert steps(event) == [("adjusted", "0"), ("forgiven", "50")]
        assert wrong(made) == []

    def test_points_that_wait_are_left_alone(self) -> None:
        made = books(make_rules(units=(unit(pending=parse_span("P14D")),)))
        made.do(adjusted(30))

        made.do(adjusted(-10))

        account = made.state.accounts["points"]
        assert (account.pending, account.deficit) == (30, 10)
        assert wrong(made) == []

    @pytest.mark.parametrize("kind", [{}, {"expires": "P12M"}])
    def test_nobody_owes_what_cannot_be_spent(self, kind: Any) -> None:
        made = books(make_rules(units=(unit("status", spendable=False, **kind),)))
        made.do(adjusted(30, unit="status"))

        event = made.do(adjusted(-50, unit="status"))

        assert gave(event) == {"status": -30}
        assert steps(event)[-1] == ("forgiven", "20")
        assert wrong(made) == []

    def test_a_return_takes_no_more_from_a_balance_than_is_still_there(self) -> None:
        made = books(make_rules(rate(code="spent", unit="spent"), units=(unit(), SPENT)))
        bought = made.bought(purchase("10.00"))
        made.do(adjusted(-7, unit="spent"))

        returned = made.do(back(bought))

        assert gave(returned) == {"spent": -3}
        assert steps(returned)[-1] == ("forgiven", "7")
        assert wrong(made) == []


class TestTiers:
    """Its unit alone decides whether it counts toward a tier (semantics T1)."""

    def test_the_ladders_unit_moves_the_member_and_no_other_does(self) -> None:
        made = books(ladder_rules())

        made.do(adjusted(900_00))
        unmoved = tier(made.state, made.rules)  # type: ignore[arg-type]  # books of one version
        up = made.do(adjusted(200_00, unit="spent"))

        assert unmoved == "bronze"
        assert [change[2] for change in accepted(up).recorded.tier_changes] == ["silver"]
        assert wrong(made) == []

    @pytest.mark.parametrize(("lower", "after"), [(True, "bronze"), (False, "silver")])
    def test_taken_again_it_costs_the_tier_unless_the_program_says_no(self, lower: bool, after: str) -> None:
        """Semantics T5."""
        made = books(ladder_rules(returns_lower_tiers=lower))
        made.do(adjusted(200_00, unit="spent"))

        made.do(adjusted(-1, unit="spent", reason="correction"))

        assert tier(made.state, made.rules) == after  # type: ignore[arg-type]
        assert wrong(made) == []


class TestRefusals:
    """What the core itself refuses."""

    @pytest.mark.parametrize(
        ("facts", "refusal"),
        [
            (adjusted(5, reason="because"), UnknownReason(("goodwill", "correction"))),
            (adjusted(5, unit="miles"), UnknownUnit(("points",))),
        ],
    )
    def test_reason_and_unit_are_those_of_the_program(self, facts: Adjustment, refusal: Refusal) -> None:
        assert books().do(facts).refusal == refusal

    def test_without_reasons_nothing_can_be_adjusted(self) -> None:
        made = books()
        made.rules = make_rules()

        assert made.do(adjusted(5)).refusal == UnknownReason(())


class TestCancelling:
    """Semantics E6."""

    def test_what_was_given_is_taken_back_once(self) -> None:
        made = books()
        given = made.do(adjusted(30))

        taken = made.do(undone(given))

        assert gave(taken) == {"points": -30}
        assert made.state.accounts["points"].balance == 0
        assert made.do(undone(given)).refusal == NothingLeft()
        assert wrong(made) == []

    def test_what_is_spent_of_it_is_owed(self) -> None:
        made = books()
        given = made.do(adjusted(30))
        made.do(Redemption(20))

        made.do(undone(given))

        assert made.state.accounts["points"].deficit == 20
        assert wrong(made) == []

    def test_it_costs_the_tier_it_gave(self) -> None:
        made = books(ladder_rules())
        given = made.do(adjusted(200_00, unit="spent"))

        made.do(undone(given))

        assert tier(made.state, made.rules) == "bronze"  # type: ignore[arg-type]
        assert wrong(made) == []

    def test_what_was_taken_is_not_given_back_so(self) -> None:
        made = books()
        made.do(adjusted(30))
        taken = made.do(adjusted(-10))

        assert made.do(undone(taken)).refusal == NotReversible(
            "adjustment", ("purchase", "activity", "hold", "redemption", "capture")
        )

    def test_only_where_it_is_named_as_an_adjustment(self) -> None:
        made = books()
        given = made.do(adjusted(30))

        refusal = made.do(undone(given, kind="")).refusal

        assert refusal == NotReversible("adjustment", ("purchase", "activity", "hold", "redemption", "capture"))

    def test_nothing_else_is_undone_as_an_adjustment(self) -> None:
        made = books(make_rules(fixed(5, kind="activity")))
        event = made.do(Activity("survey"))

        assert made.do(undone(event)).refusal == NotReversible("activity", ("adjustment",))


class TestFacts:
    """What is hashed."""

    @pytest.mark.parametrize(
        "facts", [adjusted(-5), adjusted(5, approver="lee", expires_at=end_of("2026-12-31")), adjusted(5, unit="x")]
    )
    def test_they_are_read_as_they_were_written(self, facts: Adjustment) -> None:
        assert encoding.decode_facts("adjustment", encoding.encode_facts(facts)) == facts

    def test_the_note_is_no_part_of_them(self) -> None:
        event = accepted(books().do(adjusted(5), particulars=b'{"note":"private"}')).recorded

        assert b"private" not in event.content

    def test_a_changed_fact_is_found(self) -> None:
        """Semantics L15: verify takes the decision again."""
        made = books()
        made.do(adjusted(30))
        (*_, last) = made.posted
        content = chain.decode_content(last.recorded.content)
        forged = chain.encode_content(content._replace(facts=encoding.encode_facts(adjusted(31))))
        made.posted[-1] = last._replace(recorded=last.recorded._replace(content=forged))

        found = " ".join(wrong(made))

        assert "its hash does not cover" in found
        assert "the rules give something else" in found


class TestSecondPerson:
    """When it waits, and who may decide (semantics E5)."""

    TERMS = AdjustmentTerms(("goodwill",), approval_above={"points": 500}, daily_limit={"points": 2000})

    @pytest.mark.parametrize(
        ("points", "day", "expected"),
        [
            (500, Day(), False),
            (501, Day(), True),
            (-501, Day(), True),
            (1, Day(500, 500), True),
            (1, Day(499, 499), False),
            (500, Day(600, 0), False),  # what was rejected is not on the way to the member
            (2000, Day(), True),
        ],
    )
    def test_it_waits_where_the_day_comes_to_more_than_one_person_may(
        self, points: int, day: Day, expected: bool
    ) -> None:
        assert waits(adjusted(points), self.TERMS, day) is expected

    def test_a_unit_of_which_the_program_says_nothing_never_waits(self) -> None:
        assert waits(adjusted(10**9, unit="stamps"), self.TERMS, Day(10**9, 10**9)) is False

    @pytest.mark.parametrize(("asked", "points", "left"), [(0, -2001, 2000), (1500, 501, 500), (2000, 1, 0)])
    def test_more_than_a_days_limit_is_refused_with_what_is_left(self, asked: int, points: int, left: int) -> None:
        with pytest.raises(Refused) as error:
            waits(adjusted(points), self.TERMS, Day(asked, 0))

        assert error.value.refusal == DailyLimit("points", 2000, left)

    def test_it_lapses_by_the_clock(self) -> None:
        assert standing(proposal(), now=NOW + WAITS - timedelta(microseconds=1)) is Standing.WAITING
        assert standing(proposal(), now=NOW + WAITS) is Standing.LAPSED
        assert standing(proposal(state=Standing.APPROVED), now=NOW + 2 * WAITS) is Standing.APPROVED

    @pytest.mark.parametrize("verdict", [Standing.APPROVED, Standing.REJECTED])
    @pytest.mark.parametrize(
        ("fields", "by", "later", "refusal"),
        [
            ({}, "lee", timedelta(), None),
            ({}, "kim", timedelta(), SelfApproval()),
            ({}, "lee", WAITS, AdjustmentLapsed(NOW + WAITS)),
            ({"decided_by": "lee"}, "lee", WAITS, None),
            ({"decided_by": "lee"}, "max", timedelta(), "decided"),
            ({"decided_by": None}, "lee", timedelta(), "decided"),
        ],
    )
    def test_another_person_decides_in_time_and_once(
        self, verdict: Standing, fields: dict[str, Any], by: str, later: timedelta, refusal: Any
    ) -> None:
        decided = {"state": verdict, "decided_at": NOW, **fields} if fields else {}
        expected = AlreadyDecided(verdict.value, NOW) if refusal == "decided" else refusal

        assert decision(proposal(**decided), verdict, by=by, later=later) == expected

    def test_nobody_turns_a_decision_round(self) -> None:
        rejected = proposal(state=Standing.REJECTED, decided_by="lee", decided_at=NOW)

        assert decision(rejected, Standing.APPROVED, by="lee") == AlreadyDecided("rejected", NOW)


def proposal(**more: Any) -> Proposal:
    """What Kim asked for at NOW."""
    made = Proposal(bytes(16), "a1", ANNA, adjusted(600), b"", bytes(16), NOW, Standing.WAITING, lapses_at=NOW + WAITS)
    return changed(made, **more)


def decision(asked: Proposal, verdict: Standing, *, by: str, later: timedelta = timedelta()) -> Refusal | None:
    """Why a decision is refused, or None."""
    try:
        check_decision(asked, verdict, by=by, now=NOW + later)
    except Refused as refused:
        return refused.refusal
    return None


def test_an_adjustment_of_long_ago_is_judged_like_any_event() -> None:
    """Semantics E3."""
    decided = books().do(adjusted(5), at=LONG_AGO)

    assert decided.refusal is not None
    assert decided.refusal.code == "too_late"
    assert kinds(decided) == []
