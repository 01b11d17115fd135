"""Commands through the door of the core: what each kind does, or why it must not (semantics E, L6, M1, A1)."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import chain
from app.domain.commands import Activity, Enrolment, Facts, Redemption, Reference, ReferralBonus
from app.domain.refusals import (
    IdentityTaken,
    InsufficientPoints,
    NotSpendable,
    TotalMismatch,
    UnknownUnit,
    UnlistedCurrency,
)
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    BRAM,
    NOW,
    SPENT,
    accepted,
    card,
    cents,
    command,
    decide,
    entries,
    fixed,
    gave,
    kinds,
    ladder_rules,
    line,
    lot,
    make_rules,
    make_state,
    purchase,
    rate,
    settle,
    unit,
)

NEW = MemberState(id=ANNA)


def test_a_purchase_posts_what_the_rules_give_and_says_how() -> None:
    """Semantics E2, E5, A7: the shop sent facts, the points are derived."""
    decision = decide(make_state(lot(5)), command(purchase("12.50"), key="till7-1"))

    own = accepted(decision).recorded
    assert (own.source, own.kind, own.key, own.rules_version) == ("till", "purchase", "till7-1", 1)
    assert [(entry.unit, entry.points, entry.balance_after) for entry in own.entries] == [("points", 12, 17)]
    assert own.steps == (("base", "points", "rate", "12.5"), ("", "points", "round", "12"))
    assert own.accounts["points"].available == 17


def test_a_purchase_of_nothing_is_recorded() -> None:
    """Semantics A8."""
    decision = decide(make_state(), purchase("0.00"))

    assert kinds(decision) == ["purchase"]
    assert gave(decision) == {}


def test_an_event_keeps_the_tier_it_was_judged_with() -> None:
    """Semantics E2, A6: its context."""
    state = decide(make_state(), purchase("200.00"), rules=ladder_rules()).state

    own = accepted(decide(state, purchase("10.00"), rules=ladder_rules())).recorded

    assert json.loads(chain.decode_content(own.content).context) == {"tiers": {"status": "silver"}}


def test_an_activity_earns_its_grants() -> None:
    """Semantics A2c, A3."""
    rules = make_rules(fixed(20, kind="activity", activities=["survey"]))

    assert gave(decide(make_state(), Activity("survey"), rules=rules)) == {"points": 20}
    assert gave(decide(make_state(), Activity("check-in"), rules=rules)) == {}


def test_an_enrolment_earns_its_welcome_and_gives_a_code() -> None:
    """Semantics F1, M1."""
    decision = decide(NEW, Enrolment((card(),)), rules=make_rules(fixed(50, kind="enrolment")))

    assert gave(decision) == {"points": 50}
    assert decision.state.enrolled_at == NOW
    assert decision.state.referral_code is not None
    assert decision.state.sequence == 1


def test_an_identity_of_a_member_cannot_enrol_again() -> None:
    """Semantics M1."""
    decision = decide(NEW, Enrolment((card("1"), card("2"))), identities={card("2").digest: BRAM})

    assert decision.refusal == IdentityTaken("card", BRAM)
    assert (decision.state, decision.events) == (NEW, ())


def test_an_unknown_identity_is_enrolled_first() -> None:
    """Semantics M1: two events, one decision; the welcome counts, and the sale is the second event."""
    rules = make_rules(rate(), fixed(50, kind="enrolment"))
    sale = command(purchase("12.00"), member=Reference(identity=card(), enrol=True), at=NOW - timedelta(hours=1))

    decision = decide(NEW, sale, rules=rules)

    assert kinds(decision) == ["enrolment", "purchase"]
    enrolment, own = (posted.recorded for posted in decision.events)
    assert (enrolment.source, enrolment.key) == ("zegel", f"enr:{ANNA.hex()}")
    assert (enrolment.sequence, own.sequence) == (1, 2)
    assert (enrolment.occurred_at, decision.state.enrolled_at) == (own.occurred_at, own.occurred_at)
    assert [entry.balance_after for entry in entries(decision)] == [50, 62]
    assert decision.own is own


def test_enrolling_first_is_undone_with_what_it_was_for() -> None:
    """Semantics, Refusals: nothing is written, not even the enrolment."""
    asked = command(Redemption(50), member=Reference(identity=card(), enrol=True))

    decision = decide(NEW, asked)

    assert decision.refusal == InsufficientPoints("points", asked=50, available=0)
    assert (decision.state, decision.events) == (NEW, ())


def test_a_welcome_can_be_spent_by_the_event_that_enrolled() -> None:
    """Semantics M1, L6."""
    asked = command(Redemption(50), member=Reference(identity=card(), enrol=True))

    decision = decide(NEW, asked, rules=make_rules(fixed(50, kind="enrolment")))

    assert kinds(decision) == ["enrolment", "redemption"]


def test_a_redemption_spends_the_only_unit_that_can_be_spent() -> None:
    """Semantics L6: unless it names one."""
    rules = make_rules(rate(), units=(unit(), SPENT))

    assert gave(decide(make_state(lot(50)), Redemption(20), rules=rules)) == {"points": -20}
    assert gave(decide(make_state(lot(50)), Redemption(20, "points"), rules=rules)) == {"points": -20}


def test_among_several_units_a_redemption_must_name_one() -> None:
    """Semantics L6: refused with the units there are."""
    rules = make_rules(rate(), units=(unit(), unit("stamps"), SPENT))
    state = make_state(lot(50), lot(9, unit="stamps"))

    assert decide(state, Redemption(5), rules=rules).refusal == UnknownUnit(("points", "stamps"))
    assert decide(state, Redemption(5, "miles"), rules=rules).refusal == UnknownUnit(("points", "stamps"))
    assert gave(decide(state, Redemption(5, "stamps"), rules=rules)) == {"stamps": -5}


def test_what_only_counts_cannot_be_spent() -> None:
    """Semantics L3."""
    rules = make_rules(rate(), units=(unit(), SPENT))

    assert decide(make_state(), Redemption(5, "spent"), rules=rules).refusal == NotSpendable("spent")


def test_who_never_had_any_points_has_none_available() -> None:
    """Semantics L6."""
    assert decide(make_state(), Redemption(1)).refusal == InsufficientPoints("points", asked=1, available=0)


def test_an_unlisted_currency_is_refused_with_those_that_are() -> None:
    """Semantics A1."""
    goods = purchase("12.00", currency="USD")

    assert decide(make_state(), goods).refusal == UnlistedCurrency("USD", ("EUR",))


@pytest.mark.parametrize(
    ("total", "rounding", "taken"),
    [
        ("12.34", {}, True),
        ("12.35", {}, False),
        ("12.35", {"EUR": 5}, True),
        ("12.36", {"EUR": 5}, True),
        ("12.37", {"EUR": 5}, False),
        ("12.32", {"EUR": 5}, True),
        ("12.31", {"EUR": 5}, False),
        ("12.35", {"USD": 5}, False),
    ],
)
def test_the_total_checks_the_lines_within_the_cash_rounding(total: str, rounding: dict[str, int], taken: bool) -> None:
    """Semantics A1: rounding to 0.05 moves a total by 0.02 at most."""
    goods = purchase(total, line("10.00"), line("2.34"))

    decision = decide(make_state(), goods, rules=make_rules(cash_rounding=rounding))

    assert decision.refusal == (None if taken else TotalMismatch("EUR", cents(total), 12_34, 2))


def test_nobody_can_send_what_only_the_clock_brings() -> None:
    """Semantics E2: a consequence's kind is no command of a caller's."""
    with pytest.raises(TypeError, match="referral_bonus"):
        decide(make_state(), ReferralBonus("referee", BRAM, "points", 10**6))


def test_deciding_is_pure() -> None:
    """Architecture §4: the same arguments give the same decision, and the state is left alone."""
    state = make_state(lot(50, expires="2027-01-31"), lot(50))
    asked = command(purchase("12.00"), key="p1")

    one, other = decide(state, asked), decide(state, asked)

    assert one == other
    assert state == make_state(*state.lots)


facts = st.one_of(
    st.integers(0, 500_00).map(lambda amount: purchase(f"{amount // 100}.{amount % 100:02d}")),
    st.integers(1, 300).map(Redemption),
    st.just(Activity("survey")),
)


@given(st.lists(st.tuples(facts, st.integers(0, 40)), max_size=12))
def test_after_every_command_the_books_are_right(asked: list[tuple[Facts, int]]) -> None:
    """Semantics L1, L4, L15: sums, `balance_after`, lots, lifetime counters and numbers after each step."""
    rules = make_rules(
        rate(), fixed(20, kind="activity"), rate("100", code="spent", unit="spent"), units=(unit(expires="P1M"), SPENT)
    )
    state, now, totals, sequence = make_state(sequence=0), NOW, {"points": 0, "spent": 0}, 0
    for fact, days in asked:
        now += timedelta(days=days)
        decision = decide(state, fact, rules=rules, now=now)
        state = decision.state
        for posted in decision.events:
            sequence += 1
            assert posted.recorded.sequence == sequence
            for entry in posted.recorded.entries:
                totals[entry.unit] += entry.points
                assert entry.balance_after == totals[entry.unit]
                assert entry.points > 0 or -entry.points == sum(draw.points for draw in entry.draws)
        for code, account in state.accounts.items():
            lots = [one for one in state.lots if one.unit == code]
            assert account.balance == totals[code] == account.earned - account.redeemed - account.expired
            assert not rules.units[code].has_lots or account.balance == sum(one.remaining for one in lots)
            assert account.next_due_at is None or decision.refusal or account.next_due_at > now
    assert settle(settle(state, now=now, rules=rules).state, now=now, rules=rules).events == ()
