"""Referrals step by step: claimed later, waiting, lapsed, held for a person, capped, counted (semantics F1 to F4)."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.calendar import Every, Period, parse_span
from app.domain.commands import Facts, Mode, Redemption, ReferralClaim, ReferralReview, Verdict
from app.domain.events import Decision, Recorded
from app.domain.periods import LIFETIME, Within
from app.domain.refusals import AlreadyReferred, HasBought, HasReferred, NotInReview, OwnReferralCode, Refusal
from app.domain.rules import OWED, ReferralCap, ReferralGift, ReferralMilestone, Reward, Versions
from app.domain.state import ReferralState
from tests.domain.builders import (
    accepted,
    back,
    end_of,
    friends_rules,
    friends_terms,
    kinds,
    make_rules,
    purchase,
    rate,
    unit,
)
from tests.domain.circle import Circle, code_of

ANNA, BRAM = 1, 2
WAIT = parse_span("P14D")


def circle(*, joined: int | None = BRAM, **terms: Any) -> Circle:
    """Bram, and Anna whom he brought, unless told otherwise."""
    made = Circle(friends_rules(referrals=friends_terms(**terms)))
    made.join(BRAM)
    made.join(ANNA, by=joined)
    return made


def state_of(made: Circle, member: int = ANNA) -> ReferralState:
    return made.books[member].state.referral


def refusal(decision: Decision) -> Refusal | None:
    return decision.refusal


def types(made: Circle, member: int = ANNA) -> list[str]:
    return [type for type, _ in made.told(member)]


class TestClaimingLater:
    """Semantics F1: before a first purchase, once, for life."""

    def test_a_friend_may_be_named_after_joining(self) -> None:
        """Semantics F1."""
        made = circle(joined=None)

        decision = made.claim(ANNA, by=BRAM)

        assert kinds(decision) == ["referral_claim"]
        assert state_of(made) is ReferralState.CLAIMED
        assert decision.state.referral_lapses_at == end_of("2027-05-20")
        made.do(ANNA, purchase("10.00"))
        made.settle()
        assert (made.given(ANNA), made.given(BRAM)) == (25, 100)
        assert made.wrong() == []

    def test_only_once(self) -> None:
        """Semantics F1: also where the first referral is long over."""
        made = circle()
        made.join(3)

        assert refusal(made.claim(ANNA, by=3)) == AlreadyReferred(made.now, "claimed")

    def test_never_ones_own(self) -> None:
        """Semantics F1."""
        assert refusal(circle(joined=None).claim(ANNA, by=ANNA)) == OwnReferralCode()

    def test_not_after_a_first_purchase(self) -> None:
        """Semantics F1, A11: one that came back wholly was none."""
        made = circle(joined=None)
        bought = accepted(made.do(ANNA, purchase("5.00"))).recorded

        assert refusal(made.claim(ANNA, by=BRAM)) == HasBought(1)
        made.do(ANNA, back(bought))
        assert refusal(made.claim(ANNA, by=BRAM)) is None

    def test_not_by_who_has_brought_others(self) -> None:
        """Semantics F1: so that no ring can close."""
        made = circle()

        assert refusal(made.claim(BRAM, by=ANNA)) == HasReferred()

    def test_the_code_is_in_no_hashed_byte(self) -> None:
        """Semantics M4: codes of another system may be personal."""
        event = accepted(circle(joined=None).claim(ANNA, by=BRAM)).recorded

        assert b"code 2" not in event.content


class TestWaiting:
    """Semantics F2: rewarded after the return window."""

    def test_bonuses_wait_for_the_end_of_the_last_day(self) -> None:
        """Semantics F2."""
        made = circle(wait=WAIT)
        made.do(ANNA, purchase("10.00"))
        made.now = end_of("2026-12-05") - timedelta(microseconds=1)
        made.settle()
        before = (state_of(made), made.given(ANNA), made.given(BRAM))
        made.now += timedelta(microseconds=1)

        made.settle()

        assert before == (ReferralState.QUALIFIED, 0, 0)
        assert (state_of(made), made.given(ANNA), made.given(BRAM)) == (ReferralState.REWARDED, 25, 100)
        assert types(made) == ["referral.claimed", "referral.qualified", "referral.rewarded"]
        assert made.wrong() == []

    def test_what_comes_back_meanwhile_takes_nothing(self) -> None:
        """Semantics F2: back to claimed, with the same lapse date; the bonus that waited is over without a word."""
        made = circle(wait=WAIT)
        lapses_at = made.books[ANNA].state.referral_lapses_at
        bought = accepted(made.do(ANNA, purchase("10.00"))).recorded

        made.do(ANNA, back(bought))
        made.now += timedelta(days=30)

        assert made.settle() == []
        assert (state_of(made), made.books[ANNA].state.referral_lapses_at) == (ReferralState.CLAIMED, lapses_at)
        assert types(made)[-1] == "referral.reversed"
        assert made.wrong() == []

    def test_a_later_purchase_waits_anew(self) -> None:
        """Semantics F2, F5: of two that were to be given, one is."""
        made = circle(wait=WAIT)
        bought = accepted(made.do(ANNA, purchase("10.00"))).recorded
        made.do(ANNA, back(bought))
        made.now += timedelta(days=10)
        made.do(ANNA, purchase("10.00"))

        made.now += timedelta(days=10)  # the first wait is over, the second is not
        made.settle()
        early = made.given(ANNA)
        made.now += timedelta(days=10)
        made.settle()

        assert (early, made.given(ANNA), made.given(BRAM)) == (0, 25, 100)
        assert set(made.standing().values()) == {1}

    def test_after_the_wait_a_return_takes_it_back(self) -> None:
        """Semantics F2, R5."""
        made = circle(wait=WAIT)
        bought = accepted(made.do(ANNA, purchase("10.00"))).recorded
        made.now += timedelta(days=20)
        made.settle()

        made.do(ANNA, back(bought))
        made.settle()

        assert (made.given(ANNA), made.given(BRAM), state_of(made)) == (0, 0, ReferralState.CLAIMED)
        assert made.wrong() == []

    def test_where_only_the_referrer_gets_something_it_waits_too(self) -> None:
        """Semantics F3."""
        made = circle(wait=WAIT, referee=None)
        made.do(ANNA, purchase("10.00"))
        made.now += timedelta(days=20)
        made.settle()

        assert (state_of(made), made.given(ANNA), made.given(BRAM)) == (ReferralState.REWARDED, 0, 100)
        assert made.wrong() == []


class TestLapsing:
    """Semantics F2: by the clock, and told."""

    def test_it_lapses_by_the_clock(self) -> None:
        """Semantics F2, K2: effective at its instant, whenever it is written down."""
        made = circle()
        made.now = end_of("2027-05-20") + timedelta(days=3)

        (event,) = made.settle()

        assert (event.kind, event.effective_at) == ("referral_lapse", end_of("2027-05-20"))
        assert (state_of(made), types(made)[-1]) == (ReferralState.LAPSED, "referral.lapsed")
        assert made.wrong() == []

    def test_not_after_a_purchase_that_qualified(self) -> None:
        """Semantics F2."""
        made = circle()
        made.do(ANNA, purchase("10.00"))
        made.now += timedelta(days=400)
        made.settle()

        assert state_of(made) is ReferralState.REWARDED

    def test_a_late_purchase_that_was_in_time_counts(self) -> None:
        """Semantics F2, E4: the same as if it had arrived before the lapse."""
        made = circle()
        made.now = end_of("2027-05-20") + timedelta(days=3)
        made.settle()

        made.do(ANNA, purchase("10.00"), at=end_of("2027-05-20") - timedelta(seconds=1))
        made.settle()

        assert (state_of(made), made.given(BRAM)) == (ReferralState.REWARDED, 100)
        assert made.wrong() == []

    def test_what_comes_back_after_the_lapse_date_lapses_at_once(self) -> None:
        """Semantics F2: back to claimed, with the same lapse date."""
        made = circle()
        made.now = end_of("2027-05-20") - timedelta(hours=1)
        bought = accepted(made.do(ANNA, purchase("10.00"))).recorded
        made.now += timedelta(days=2)
        made.settle()

        made.do(ANNA, back(bought))
        made.settle()

        assert (state_of(made), made.given(BRAM)) == (ReferralState.LAPSED, 0)
        assert made.wrong() == []

    def test_silent_history_schedules_no_lapse(self) -> None:
        """Semantics E7."""
        made = Circle(friends_rules())
        made.join(BRAM)
        made.join(ANNA)
        decision = made.do(ANNA, ReferralClaim(code_of(BRAM)), mode=Mode.HISTORY)

        assert decision.refusal is None
        assert decision.schedules == ()


class TestReviewing:
    """Semantics F4: held for a person, never silently dropped."""

    def held(self, **terms: Any) -> Circle:
        """Anna, whom Bram brought, from the same mailbox."""
        made = Circle(friends_rules(referrals=friends_terms(**terms)))
        made.join(BRAM)
        made.join(ANNA, by=BRAM, reasons=("same_email",))
        return made

    def test_what_looks_like_one_person_is_held(self) -> None:
        """Semantics F4: its purchase qualifies, and nothing is given."""
        made = self.held()
        made.do(ANNA, purchase("10.00"))
        made.settle()

        assert (made.given(ANNA), made.given(BRAM)) == (0, 0)
        assert types(made) == ["referral.held", "referral.held"]
        assert made.told(ANNA)[0][1]["reasons"] == ["same_email"]
        assert made.wrong() == []

    def test_a_purchase_may_be_what_gives_it_away(self) -> None:
        """Semantics F4."""
        made = circle()
        made.do(ANNA, purchase("10.00"), reasons=("same_fingerprint",))
        made.settle()

        assert (made.given(BRAM), made.books[ANNA].state.referral_review) == (0, "same_fingerprint")
        assert made.wrong() == []

    @pytest.mark.parametrize("first", ["approve", "buy"])
    @pytest.mark.parametrize("wait", [None, WAIT])
    def test_once_approved_it_goes_on_as_if_never_held(self, first: str, wait: Any) -> None:
        """Semantics F4: in whichever order; the wait runs from the purchase."""
        made = self.held(wait=wait)
        steps: list[Facts] = [ReferralReview(Verdict.APPROVE, "els"), purchase("10.00")]
        for step in steps if first == "approve" else reversed(steps):
            assert made.do(ANNA, step).refusal is None
        if wait is not None:
            made.now += timedelta(days=10)
            made.settle()
            assert made.given(BRAM) == 0
            made.now += timedelta(days=5)
        made.settle()

        assert (made.given(ANNA), made.given(BRAM)) == (25, 100)
        assert made.wrong() == []

    def test_what_was_looked_at_is_not_held_again(self) -> None:
        """Semantics F4."""
        made = self.held()
        made.do(ANNA, ReferralReview(Verdict.APPROVE, "els"))
        made.do(ANNA, purchase("10.00"), reasons=("same_fingerprint",))
        made.settle()

        assert made.given(BRAM) == 100
        assert made.wrong() == []

    def test_once_rejected_nobody_gets_anything(self) -> None:
        """Semantics F4: now or later."""
        made = self.held()
        made.do(ANNA, purchase("10.00"))
        made.do(ANNA, ReferralReview(Verdict.REJECT, "els"))
        made.do(ANNA, purchase("99.00"))
        made.now += timedelta(days=400)
        made.settle()

        assert (state_of(made), made.given(ANNA), made.given(BRAM)) == (ReferralState.REJECTED, 0, 0)
        assert made.wrong() == []

    def test_what_is_not_held_is_not_decided_on(self) -> None:
        """Semantics F4."""
        made = circle()

        assert refusal(made.do(ANNA, ReferralReview(Verdict.APPROVE, "els"))) == NotInReview("claimed")

    def test_what_is_held_comes_back_without_a_word(self) -> None:
        """Semantics F4, F2: it goes on being held."""
        made = self.held()
        bought = accepted(made.do(ANNA, purchase("10.00"))).recorded
        made.do(ANNA, back(bought))
        made.do(ANNA, ReferralReview(Verdict.APPROVE, "els"))
        made.settle()

        assert (state_of(made), made.given(BRAM)) == (ReferralState.CLAIMED, 0)
        assert made.wrong() == []

    def test_it_is_paid_by_the_rules_of_its_purchase(self) -> None:
        """Semantics F4, E3: not by those of the day on which somebody looked."""
        old = friends_rules()
        new = friends_rules(
            version=2,
            in_force_from=old.in_force_from + timedelta(days=365 * 7),
            referrals=friends_terms(referrer=ReferralGift("points", 999)),
        )
        made = Circle(Versions((old, new)))
        made.join(BRAM)
        made.join(ANNA, by=BRAM, reasons=("same_email",))
        made.do(ANNA, purchase("10.00"))
        made.now += timedelta(days=100)

        made.do(ANNA, ReferralReview(Verdict.APPROVE, "els"))
        made.settle()

        assert made.given(BRAM) == 100
        assert made.wrong() == []


class TestCounting:
    """Semantics F3: caps per period, milestones by number of friends, and rewards."""

    def brought(self, number: int, made: Circle) -> list[Recorded]:
        """Bram brings so many friends, who buy."""
        bought = []
        for member in range(10, 10 + number):
            made.join(member, by=BRAM)
            bought.append(accepted(made.do(member, purchase("10.00"))).recorded)
            made.settle()
        return bought

    def test_beyond_the_cap_nothing_is_given_and_it_says_so(self) -> None:
        """Semantics F3: the friend gets theirs all the same."""
        made = circle(joined=None, cap=ReferralCap(2, Within(Period(Every.MONTH))))
        self.brought(3, made)

        assert made.given(BRAM) == 200
        assert [made.given(member) for member in (10, 11, 12)] == [25, 25, 25]
        assert made.told(BRAM)[-1][1] | {"capped": True, "points": {}} == made.told(BRAM)[-1][1]
        assert made.wrong() == []

    def test_the_next_period_has_room_again(self) -> None:
        """Semantics F3, Words: half-open periods of the calendar."""
        made = circle(joined=None, cap=ReferralCap(1, Within(Period(Every.MONTH))))
        self.brought(1, made)
        made.now += timedelta(days=30)
        made.join(50, by=BRAM)
        made.do(50, purchase("10.00"))
        made.settle()

        assert made.given(BRAM) == 200
        assert made.wrong() == []

    def test_what_comes_back_gives_its_room_back(self) -> None:
        """Semantics F3, R5."""
        made = circle(joined=None, cap=ReferralCap(1, LIFETIME))
        (bought,) = self.brought(1, made)
        made.do(10, back(bought))
        made.settle()
        made.join(50, by=BRAM)
        made.do(50, purchase("10.00"))
        made.settle()

        assert made.given(BRAM) == 100
        assert made.wrong() == []

    def test_a_bonus_that_was_never_given_is_not_taken_back(self) -> None:
        """Semantics F3, R6: the return of a friend beyond the cap."""
        made = circle(joined=None, cap=ReferralCap(1, LIFETIME))
        _, capped = self.brought(2, made)
        made.do(11, back(capped))
        made.settle()

        assert made.given(BRAM) == 100
        made.join(50, by=BRAM)
        made.do(50, purchase("10.00"))
        made.settle()
        assert made.given(BRAM) == 100
        assert made.wrong() == []

    def test_a_milestone_is_given_and_taken_back_with_the_count(self) -> None:
        """Semantics F3: five friends, one of whom brings everything back, and one more."""
        made = circle(joined=None, milestones=(ReferralMilestone("points", 500, at=5),))
        bought = self.brought(5, made)
        five = made.given(BRAM)
        made.do(11, back(bought[1]))
        made.settle()
        four = made.given(BRAM)
        made.join(50, by=BRAM)
        made.do(50, purchase("10.00"))
        made.settle()

        assert (five, four, made.given(BRAM)) == (1000, 400, 1000)
        assert made.wrong() == []

    def test_a_milestone_may_come_again_and_again(self) -> None:
        """Semantics F3: for every so many-th friend, also where a friend alone brings nothing."""
        made = circle(joined=None, referrer=None, milestones=(ReferralMilestone("points", 50, every=2),))
        bought = self.brought(5, made)
        for member in range(10, 15):
            made.do(member, back(bought[member - 10]))
            made.settle()

        posted = [e.points for one in made.books[BRAM].posted for e in one.recorded.entries]
        assert posted == [50, 50, -50, -50]
        assert made.wrong() == []

    def test_a_milestone_in_status_points_is_taken_from_these(self) -> None:
        """Semantics R3, F3."""
        status = unit("status", spendable=False)
        terms = friends_terms(referrer=None, milestones=(ReferralMilestone("status", 5, at=1),))
        made = Circle(make_rules(rate(), units=(unit(), status), referrals=terms))
        made.join(BRAM)
        (bought,) = self.brought(1, made)
        given = made.books[BRAM].state.accounts["status"].balance
        made.do(10, back(bought))
        made.settle()

        assert (given, made.books[BRAM].state.accounts["status"].balance) == (5, 0)
        assert made.wrong() == []

    def test_a_side_may_get_a_reward(self) -> None:
        """Semantics F3, A10: issued, and cancelled with the purchase."""
        terms = friends_terms(referrer=ReferralGift(reward="coffee"))
        made = Circle(friends_rules(referrals=terms, rewards={"coffee": Reward("coffee", "A free coffee")}))
        made.join(BRAM)
        (bought,) = self.brought(1, made)
        made.do(10, back(bought))
        made.settle()

        types_ = [m.type for one in made.books[BRAM].posted for m in one.messages]
        assert types_[-4:] == ["referral.rewarded", "reward.issued", "referral.reversed", "reward.cancelled"]
        assert made.wrong() == []

    def test_the_rules_may_say_that_it_is_owed(self) -> None:
        """Semantics F3: `clamp` unless the rules say otherwise."""
        made = circle(shortage=OWED)
        bought = accepted(made.do(ANNA, purchase("10.00"))).recorded
        made.settle()
        made.do(BRAM, Redemption(100))
        made.do(ANNA, back(bought))
        made.settle()

        assert made.points(BRAM) == -100
        assert made.wrong() == []
