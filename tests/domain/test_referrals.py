"""Bringing a friend: claimed at enrolment, rewarded at the first purchase that qualifies (semantics F1, F2, F5)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain import encoding
from app.domain.calendar import parse_span
from app.domain.commands import Command, Enrolment, Identity, Mode, Purchase, ReferralBonus
from app.domain.events import Decision
from app.domain.refusals import UnknownReferralCode
from app.domain.rules import ReferralGift, ReferralTerms, Rules
from app.domain.state import MemberState, ReferralState
from tests.domain.builders import (
    ANNA,
    BRAM,
    NOW,
    Books,
    accepted,
    back,
    card,
    cents,
    changed,
    command,
    decide,
    end_of,
    friends_rules,
    lot,
    make_rules,
    make_state,
    purchase,
    rate,
    settle,
    told,
    unit,
)

CODE = Identity("code", "23456789AB", b"c" * 16)
NEW = MemberState(id=ANNA)


def joined(rules: Rules | None = None, *, code: Identity | None = CODE, at: datetime = NOW) -> MemberState:
    """Anna, brought by Bram."""
    decision = decide(
        NEW,
        Enrolment((card(),), referral_code=code),
        rules=rules or friends_rules(),
        now=at,
        identities={CODE.digest: BRAM},
    )
    assert decision.refusal is None
    return decision.state


def bonuses(decision: Decision) -> list[tuple[bytes, str, str, int]]:
    """Who gets what for which side."""
    facts = [(s.member_id, encoding.decode_facts(s.kind, s.facts)) for s in decision.schedules]
    return [(who, f.side, f.unit, f.points) for who, f in facts if isinstance(f, ReferralBonus)]


def test_a_friend_named_at_enrolment_is_claimed() -> None:
    """Semantics F1, F2: with a lapse date, to the end of the day in the program's zone."""
    state = joined()

    assert (state.referrer, state.referral) == (BRAM, ReferralState.CLAIMED)
    assert state.referral_lapses_at == end_of("2027-05-20")


def test_a_newcomer_without_a_code_has_no_referral() -> None:
    """Semantics F1."""
    state = joined(code=None)

    assert (state.referrer, state.referral, state.referral_lapses_at) == (None, ReferralState.NONE, None)
    assert bonuses(decide(state, purchase("60.00"), rules=friends_rules())) == []


def test_an_unknown_code_refuses_the_enrolment() -> None:
    """Semantics F1: a code of nobody, which for a newcomer includes their own."""
    decision = decide(NEW, Enrolment((card(),), referral_code=CODE), rules=friends_rules())

    assert decision.refusal == UnknownReferralCode()
    assert decision.state == NEW


def test_a_claim_where_the_program_rewards_nobody_is_kept_without_an_end() -> None:
    """Semantics F1: once, for life."""
    state = joined(make_rules())

    assert (state.referrer, state.referral_lapses_at) == (BRAM, None)
    assert bonuses(decide(state, purchase("60.00"))) == []


def test_everybody_gets_a_code_of_their_own() -> None:
    """Semantics F1."""
    assert joined().referral_code is not None


def test_the_first_qualifying_purchase_schedules_a_bonus_for_each_side() -> None:
    """Semantics F2, F5: due at once, by derived keys, so that each happens once."""
    decision = decide(joined(), purchase("10.00"), rules=friends_rules(), now=NOW + timedelta(days=1))

    assert bonuses(decision) == [(BRAM, "referrer", "points", 100), (ANNA, "referee", "points", 25)]
    assert {s.due_at for s in decision.schedules} == {NOW + timedelta(days=1)}
    assert [s.key for s in decision.schedules] == [f"ref:{ANNA.hex()}:referrer:1", f"ref:{ANNA.hex()}:referee:1"]
    assert decision.own is not None
    assert {s.cause for s in decision.schedules} == {decision.own.id}
    assert decision.state.referral is ReferralState.QUALIFIED


def test_below_the_minimum_nothing_happens_and_a_later_purchase_may_qualify() -> None:
    """Semantics F2: the first purchase of at least the minimum."""
    small = decide(joined(), purchase("9.99"), rules=friends_rules())

    assert bonuses(small) == []
    assert small.state.referral is ReferralState.CLAIMED
    assert len(bonuses(decide(small.state, purchase("10.00"), rules=friends_rules()))) == 2


def test_a_second_purchase_brings_no_second_bonus() -> None:
    """Semantics F5."""
    first = decide(joined(), purchase("10.00"), rules=friends_rules())

    second = decide(first.state, purchase("99.00"), rules=friends_rules())
    paid_out = settle(changed(first.state, scheduled=first.schedules[1:]), rules=friends_rules())
    third = decide(paid_out.state, purchase("99.00"), rules=friends_rules())

    assert paid_out.state.referral is ReferralState.REWARDED
    assert bonuses(second) == bonuses(third) == []


def test_the_referrers_own_bonus_leaves_their_own_referral_alone() -> None:
    """Semantics F2: the state is the referee's."""
    scheduled = decide(joined(), purchase("10.00"), rules=friends_rules()).schedules[0]
    bram = make_state(id=BRAM, referral=ReferralState.CLAIMED, scheduled=(scheduled,))

    decision = settle(bram, rules=friends_rules())

    assert decision.state.accounts["points"].balance == 100
    assert decision.state.referral is ReferralState.CLAIMED


@pytest.mark.parametrize(("days", "qualifies"), [(-1, True), (0, False), (1, False)])
def test_a_claim_lapses(days: int, qualifies: bool) -> None:
    """Semantics F2: from that instant on, judged when the purchase occurred."""
    state = joined()
    assert state.referral_lapses_at is not None
    occurred_at = state.referral_lapses_at + timedelta(days=days)

    decision = decide(state, purchase("60.00"), rules=friends_rules(), at=occurred_at, now=occurred_at)
    late = decide(state, purchase("60.00"), rules=friends_rules(), at=occurred_at, now=occurred_at + timedelta(days=20))

    assert [bool(bonuses(one)) for one in (decision, late)] == [qualifies, qualifies]


@pytest.mark.parametrize(
    ("sides", "expected", "after"),
    [
        ({"referrer": ReferralGift("points", 100)}, [(BRAM, "referrer", "points", 100)], ReferralState.REWARDED),
        ({"referee": ReferralGift("points", 25)}, [(ANNA, "referee", "points", 25)], ReferralState.QUALIFIED),
    ],
)
def test_one_side_alone_may_be_rewarded(
    sides: dict[str, Any], expected: list[tuple[bytes, str, str, int]], after: ReferralState
) -> None:
    """Semantics F3."""
    rules = make_rules(referrals=ReferralTerms({"EUR": 0}, parse_span("P180D"), **sides))

    decision = decide(joined(rules), purchase("1.00"), rules=rules)

    assert bonuses(decision) == expected
    assert decision.state.referral is after


def test_the_minimum_is_one_per_currency() -> None:
    """Semantics F2, A1: a currency without a minimum does not qualify."""
    rules = friends_rules(currencies={"EUR": 2, "USD": 2})
    dollars = Purchase("USD", 60_00, purchase("60.00").lines)

    assert bonuses(decide(joined(rules), dollars, rules=rules)) == []


@pytest.mark.parametrize(("mode", "expected"), [(Mode.HISTORY, 0), (Mode.HISTORY_WITH_MESSAGES, 2)])
def test_history_schedules_nothing_unless_asked(mode: Mode, expected: int) -> None:
    """Semantics E7."""
    sale: Command = command(purchase("60.00"), at=NOW - timedelta(days=1), mode=mode)

    decision = decide(joined(at=NOW - timedelta(days=2)), sale, rules=friends_rules())

    assert len(bonuses(decision)) == expected


def _returned(state: MemberState, total: str, brought_back: str, rules: Rules) -> Decision:
    """What comes of a purchase of which so much comes back."""
    made = Books(rules, state=state)
    bought = made.bought(purchase(total))
    settled = settle(changed(made.state, scheduled=()), rules=rules)
    made.state = settled.state
    return made.do(back(bought, amount=cents(brought_back), currency="EUR"))


@pytest.mark.parametrize(("brought_back", "taken"), [("50.00", False), ("50.01", True), ("60.00", True)])
def test_worked_example_12_a_return_that_leaves_less_than_the_minimum_takes_the_bonus_back(
    brought_back: str, taken: bool
) -> None:
    """Semantics R5, F2: of 60.00 at least 10.00 must stay."""
    decision = _returned(joined(), "60.00", brought_back, friends_rules())

    reversals = [(s.member_id, s.key) for s in decision.schedules]
    expected = [(BRAM, f"rrv:{ANNA.hex()}:referrer:1"), (ANNA, f"rrv:{ANNA.hex()}:referee:1")]
    assert reversals == (expected if taken else [])
    assert decision.state.referral is (ReferralState.CLAIMED if taken else ReferralState.QUALIFIED)


def test_a_purchase_that_did_not_qualify_comes_back_without_a_word() -> None:
    """Semantics R5."""
    decision = _returned(joined(), "9.00", "9.00", friends_rules())

    assert (decision.schedules, decision.state.referral) == ((), ReferralState.CLAIMED)


def test_the_bonus_may_be_earned_again_under_another_key() -> None:
    """Semantics R5, F5: two never stand at once."""
    fallen = _returned(joined(), "60.00", "60.00", friends_rules())

    again = decide(fallen.state, purchase("60.00"), rules=friends_rules())

    assert [s.key for s in again.schedules] == [f"ref:{ANNA.hex()}:referrer:2", f"ref:{ANNA.hex()}:referee:2"]


@pytest.mark.parametrize(("left", "taken"), [(100, 100), (30, 30), (0, 0)])
def test_a_bonus_that_is_spent_is_forgiven(left: int, taken: int) -> None:
    """Semantics F3: its reversal clamps."""
    reversal = _returned(joined(), "60.00", "60.00", friends_rules()).schedules[0]
    lots = [lot(100, remaining=left)] if left else []
    bram = make_state(*lots, id=BRAM, scheduled=(reversal,))

    decision = settle(bram, rules=friends_rules())

    ((_, data),) = [one for one in told(decision) if one[0] == "referral.reversed"]
    assert (data["points"], data["side"]) == ({"points": taken}, "referrer")
    assert sum(account.balance for account in decision.state.accounts.values()) == left - taken
    assert all(account.deficit == 0 for account in decision.state.accounts.values())


@pytest.mark.parametrize("days", [0, 20])
def test_a_bonus_that_waits_begins_to_count_at_its_own_instant(days: int) -> None:
    """Semantics K2, L11: whether or not a worker ran in time."""
    waiting = unit(pending=parse_span("P14D"))
    rules = friends_rules(units=(waiting,))
    scheduled = decide(joined(rules), purchase("60.00"), rules=rules).schedules[0]
    made = Books(rules, state=make_state(id=BRAM, scheduled=(scheduled,)), now=NOW + timedelta(days=days))
    made.settle()
    made.now = NOW + timedelta(days=20)
    made.settle()

    found = [(one.recorded.kind, one.recorded.effective_at) for one in made.posted]
    assert found == [("referral_bonus", NOW), ("activation", NOW + timedelta(days=14))]


def test_a_status_bonus_is_taken_from_its_own_lot_only() -> None:
    """Semantics R3: what was earned otherwise stays, in a unit that cannot be spent."""
    status = unit("status", expires="P1Y", spendable=False)
    terms = ReferralTerms({"EUR": 10_00}, parse_span("P180D"), referrer=ReferralGift("status", 100))
    rules = make_rules(rate(unit="status"), units=(status,), referrals=terms)
    made = Books(rules, state=joined(rules))
    bought = made.bought(purchase("60.00"))
    reversal = made.do(back(bought)).schedules[0]
    bonus = lot(100, remaining=30, earned=NOW, unit="status", expires="2027-11-21")
    other = lot(500, earned=NOW - timedelta(days=3), unit="status", expires="2027-11-18")
    decision = settle(make_state(bonus, other, id=BRAM, scheduled=(reversal,)), rules=rules)

    assert decision.state.accounts["status"].balance == 500


def test_a_live_bonus_is_taken_back_by_a_silent_return_too() -> None:
    """Semantics R5, R6: or it would stay for ever."""
    made = Books(friends_rules(), state=joined())
    bought = made.bought(purchase("60.00"))
    made.now += timedelta(minutes=1)

    assert len(made.do(back(bought), mode=Mode.HISTORY).schedules) == 2


def test_a_bonus_that_history_never_gave_is_not_taken_back() -> None:
    """Semantics E7: a silent purchase qualifies without a bonus."""
    made = Books(friends_rules(), state=joined(at=NOW - timedelta(days=2)))
    silent = command(purchase("60.00"), at=NOW - timedelta(days=1), mode=Mode.HISTORY)
    decision = decide(made.state, silent, rules=made.rules)
    made.state, made.posted = decision.state, list(decision.events)

    assert made.do(back(accepted(decision).recorded)).schedules == ()


def test_shops_learn_who_was_brought_by_whom_by_id() -> None:
    """Semantics F, webhooks W11: the enrolment names the referrer, the bonus the referee."""
    decision = decide(
        NEW, Enrolment((card(),), referral_code=CODE), rules=friends_rules(), identities={CODE.digest: BRAM}
    )

    (enrolled, data), (claimed, said) = told(decision)

    assert (enrolled, claimed) == ("member.enrolled", "referral.claimed")
    assert data["referrer"] == said["referrer"]
    assert said["referrer"].startswith("mem_")
    assert (said["state"], said["lapses_at"]) == ("claimed", "2027-05-20T22:00:00Z")
