"""What a member had in another system comes in once, with its dates, before all else (semantics E7, L5, A6, T2)."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from app.domain import chain, encoding
from app.domain.commands import (
    Activity,
    Cancellation,
    Command,
    Enrolment,
    Identity,
    Mode,
    Named,
    OpenedTier,
    OpenedTotal,
    Opening,
    Redemption,
    Reference,
)
from app.domain.refusals import (
    AlreadyOpened,
    IdentityTaken,
    NotNew,
    PointsOutOfRange,
    Refusal,
    TooEarly,
    UnitHasLots,
    UnitHasNoLots,
    UnknownTier,
    UnknownUnit,
)
from app.domain.rules import Rules
from app.domain.state import MemberState
from app.domain.tiers import standing
from tests.domain.builders import (
    ANNA,
    BRAM,
    NOW,
    SPENT,
    Books,
    accepted,
    card,
    command,
    decide,
    end_of,
    fixed,
    gave,
    had,
    kinds,
    ladder,
    ladder_rules,
    make_rules,
    on,
    opened,
    purchase,
    rate,
    remaining,
    tier,
    told,
    unit,
    wrong,
)

NEW = MemberState(id=ANNA)
BOOKS = on("2026-11-01", "00:00")
YEARLY = make_rules(units=(unit(expires="P12M"),))


def books(rules: Rules = YEARLY, *, now: Any = BOOKS, enrolled: bool = True) -> Books:
    made = Books(rules, now=now, state=NEW)
    if enrolled:
        assert made.do(Enrolment((card(),)), mode=Mode.HISTORY).refusal is None
    return made


def past(made: Books, facts: Any, **more: Any) -> Any:
    return made.do(facts, mode=Mode.HISTORY, **more)


class TestLots:
    """What was left of points, with the dates that they had."""

    def test_they_keep_their_dates_and_are_drawn_in_their_order(self) -> None:
        made = books()
        lots = (
            had(10, earned="2026-05-01", expires="2027-06-30"),
            had(20, earned="2026-04-01", expires="2027-06-30"),
            had(30, earned="2026-10-01", expires="2027-01-31"),
            had(40, earned="2019-04-01", never=True),
            had(50, earned="2026-02-10"),
        )

        entries = accepted(past(made, opened(*lots))).recorded.entries
        made.now = NOW
        spent = accepted(made.do(Redemption(121))).recorded

        assert [(e.points, e.expires_at) for e in entries] == [
            (10, end_of("2027-06-30")),
            (20, end_of("2027-06-30")),
            (30, end_of("2027-01-31")),
            (40, None),
            (50, end_of("2027-02-10")),
        ]
        assert [(d.lot_position, d.points) for d in spent.entries[0].draws] == [
            (2, 30),
            (4, 50),
            (1, 20),
            (0, 10),
            (3, 11),
        ]
        assert {lot.position: lot.occurred_at for lot in made.state.lots} == {3: on("2019-04-01")}
        assert wrong(made) == []

    def test_what_was_earned_here_later_is_drawn_later_though_it_ends_at_the_same_time(self) -> None:
        made = books(make_rules())
        past(made, opened(had(100, earned="2026-10-20", never=True)))
        made.now = NOW
        made.do(purchase("100.00"), at=on("2026-10-28"))

        spent = accepted(made.do(Redemption(150))).recorded

        assert [(d.lot_sequence, d.points) for d in spent.entries[0].draws] == [(2, 100), (3, 50)]

    def test_what_had_ended_ends_at_once_on_the_day_of_the_books_and_the_rest_when_it_is_due(self) -> None:
        made = books()

        posted = past(made, opened(had(70, earned="2024-01-01"), had(30, expires="2026-10-31"), had(5)))

        assert kinds(posted) == ["opening", "expiry"]
        expiry = posted.events[-1].recorded
        assert (expiry.effective_at, expiry.entries[0].points) == (BOOKS, -100)
        assert made.state.accounts["points"].available == 5
        made.now = end_of("2027-03-14")
        assert kinds(made.settle()) == ["expiry"]
        assert made.state.accounts["points"].balance == 0
        assert wrong(made) == []

    def test_points_may_still_wait_and_then_count(self) -> None:
        made = books()

        past(made, opened(had(10, available_at=NOW), had(20)))
        waiting = made.state.accounts["points"]
        made.now = NOW
        begun = made.settle()

        assert (waiting.available, waiting.pending) == (20, 10)
        assert kinds(begun) == ["activation"]
        assert made.state.accounts["points"].available == 30
        assert wrong(made) == []

    def test_nothing_is_earned_by_it_not_even_for_joining(self) -> None:
        rules = make_rules(rate(), fixed(500, code="welcome", kind="enrolment"))
        made = books(rules, enrolled=False)

        posted = past(made, opened(had(10)), member=Reference(identity=card(), enrol=True))

        assert kinds(posted) == ["enrolment", "opening"]
        assert gave(posted) == {"points": 10}
        assert made.state.accounts["points"].balance == 10
        assert made.state.referral_code is not None
        assert wrong(made) == []

    def test_it_is_told_only_if_asked(self) -> None:
        silent, loud = books(enrolled=False), books(enrolled=False)
        who = Reference(identity=card(), enrol=True)

        quiet = silent.do(opened(had(10)), mode=Mode.HISTORY, member=who)
        said = loud.do(opened(had(10)), mode=Mode.HISTORY_WITH_MESSAGES, member=who)

        assert told(quiet) == []
        assert [(type, data.get("points")) for type, data in told(said)] == [
            ("member.enrolled", None),
            ("points.earned", {"points": 10}),
        ]
        assert wrong(loud) == []


class TestTotalsAndTiers:
    """What counts toward a tier, and the tier itself."""

    def test_a_total_counts_toward_the_tier_and_reaches_it_that_day(self) -> None:
        made = books(ladder_rules())

        posted = past(made, opened(OpenedTotal("spent", 250_00)))

        assert gave(posted) == {"spent": 250_00}
        assert accepted(posted).recorded.tier_changes == (("status", "bronze", "silver"),)
        assert [(term.tier, term.since) for term in made.state.tiers] == [("silver", BOOKS)]
        assert wrong(made) == []

    def test_a_tier_begins_when_it_began_and_counts_from_the_next_event(self) -> None:
        rules = ladder_rules()
        made = books(rules)
        held = OpenedTier("status", "gold", on("2025-06-01"), review_at=on("2027-01-01"))

        posted = past(made, opened(OpenedTotal("spent", 250_00), held))
        earned = past(made, purchase("100.00"), at=BOOKS)

        assert accepted(posted).recorded.tier_changes == (("status", "bronze", "gold"),)
        found = standing(made.state.accounts, made.state.tiers, rules.ladders[0])
        assert (found.tier.code, found.since, found.qualifying) == ("gold", on("2025-06-01"), 350_00)
        assert gave(earned)["points"] == 150
        assert wrong(made) == []

    def test_a_tier_below_what_the_totals_meet_gives_way_to_that(self) -> None:
        rules = ladder_rules()
        made = books(rules)

        past(made, opened(OpenedTotal("spent", 600_00), OpenedTier("status", "silver", on("2025-06-01"))))

        assert tier(made.state, rules) == "gold"
        assert [(term.tier, term.since) for term in made.state.tiers] == [("gold", BOOKS)]
        assert wrong(made) == []

    def test_the_first_tier_needs_no_saying(self) -> None:
        made = books(ladder_rules())

        posted = past(made, opened(OpenedTier("status", "bronze", on("2025-06-01"))))

        assert (made.state.tiers, accepted(posted).recorded.tier_changes) == ((), ())
        assert wrong(made) == []

    def test_tiers_of_several_ladders_are_proven_in_whatever_order_they_are_read(self) -> None:
        ladders = (ladder(("silver", 200_00), code="z"), ladder(("silver", 200_00), code="a"))
        made = books(make_rules(units=(unit(), SPENT), ladders=ladders))
        past(made, opened(*(OpenedTier(one.code, "silver", on("2025-06-01")) for one in ladders)))

        made.state = made.state._replace(tiers=made.state.tiers[::-1])

        assert wrong(made) == []


class TestRefusals:
    """What cannot be opened."""

    def test_a_second_opening_is_refused_and_names_the_first(self) -> None:
        made = books()
        first = accepted(past(made, opened(had(10)))).recorded

        again = past(made, opened(had(10)))

        assert again.refusal == AlreadyOpened(first.id)
        assert made.state.accounts["points"].balance == 10

    def test_it_is_refused_once_anything_else_has_happened(self) -> None:
        made = books(ladder_rules())
        first = accepted(past(made, Activity("survey"))).recorded

        assert past(made, opened(had(10))).refusal == NotNew(first.id)

    def test_points_for_joining_may_lie_before_it_and_what_the_clock_made_of_them(self) -> None:
        rules = make_rules(fixed(50, code="welcome", kind="enrolment"), units=(unit(expires="P1M"),))
        made = books(rules, now=on("2026-01-10"))
        made.now = BOOKS

        posted = past(made, opened(had(10, expires="2027-01-01")))

        assert kinds(posted) == ["expiry", "opening"]
        assert made.state.accounts["points"].balance == 10
        assert wrong(made) == []

    @pytest.mark.parametrize(
        ("facts", "refusal"),
        [
            (opened(had(unit="miles")), UnknownUnit(("points", "spent"))),
            (opened(OpenedTotal("miles", 1)), UnknownUnit(("points", "spent"))),
            (opened(had(unit="spent")), UnitHasNoLots("spent")),
            (opened(OpenedTotal("points", 1)), UnitHasLots("points")),
            (
                opened(OpenedTier("status", "tin", BOOKS)),
                UnknownTier(("status:bronze", "status:silver", "status:gold")),
            ),
            (opened(OpenedTier("club", "gold", BOOKS)), UnknownTier(("status:bronze", "status:silver", "status:gold"))),
            (opened(had(2**53 - 1), had(1)), PointsOutOfRange("points")),
        ],
    )
    def test_what_the_program_does_not_know_is_refused(self, facts: Opening, refusal: Refusal) -> None:
        made = books(ladder_rules())

        assert past(made, facts).refusal == refusal
        assert made.state.accounts == {}

    def test_it_may_lie_any_time_back_but_not_ahead(self) -> None:
        long_ago = decide(NEW, self._joining(opened(had(1, earned="1999-01-01", never=True)), at=on("2000-01-01")))
        ahead = decide(NEW, self._joining(opened(had(1)), at=NOW + timedelta(hours=1)))

        assert long_ago.refusal is None
        assert isinstance(ahead.refusal, TooEarly)

    def test_a_referral_code_that_somebody_has_is_refused(self) -> None:
        code = Identity("code", "ANNA2019", b"digest of it")
        facts = dataclasses.replace(opened(had(10)), referral_code=code)

        known = {code.digest: BRAM}
        taken = decide(books().state, facts, rules=YEARLY, now=BOOKS, mode=Mode.HISTORY, identities=known).refusal
        free = past(made := books(), facts)

        assert taken == IdentityTaken("referral_code", BRAM)
        assert free.refusal is None
        assert wrong(made) == []

    def test_it_cannot_be_cancelled(self) -> None:
        made = books()
        first = accepted(past(made, opened(had(10)))).recorded

        refusal = past(made, Cancellation(Named(first.id))).refusal

        assert refusal is not None
        assert refusal.code == "not_reversible"

    @staticmethod
    def _joining(facts: Opening, *, at: Any) -> Command:
        return command(facts, at=at, mode=Mode.HISTORY, member=Reference(identity=card(), enrol=True))


class TestProof:
    """The proof of the books is silent where they are right, and speaks where they were changed."""

    def made(self) -> Books:
        made = books(ladder_rules(), enrolled=False)
        facts = opened(
            had(10, expires="2027-01-31"), had(20), OpenedTotal("spent", 1), OpenedTier("status", "gold", BOOKS)
        )
        past(made, facts, member=Reference(identity=card(), enrol=True))
        made.now = NOW
        made.do(purchase("10.00"))
        made.do(Redemption(15))
        return made

    def test_it_is_silent_on_a_right_ledger(self) -> None:
        assert wrong(self.made()) == []

    def test_it_sees_an_end_that_was_moved(self) -> None:
        made = self.made()
        made.state = made.state._replace(
            lots=tuple(lot._replace(expires_at=end_of("2030-01-01")) for lot in made.state.lots)
        )

        assert any("expires_at is" in finding for finding in wrong(made))

    def test_it_sees_when_a_lot_was_earned(self) -> None:
        made = self.made()
        made.state = made.state._replace(lots=tuple(lot._replace(occurred_at=BOOKS) for lot in made.state.lots))

        assert any("occurred_at is" in finding for finding in wrong(made))

    def test_it_sees_a_start_of_a_tier_that_was_moved(self) -> None:
        made = self.made()
        made.state = made.state._replace(tiers=tuple(term._replace(since=NOW) for term in made.state.tiers))

        assert any("tiers are not those" in finding for finding in wrong(made))

    def test_it_sees_points_that_were_added_even_if_the_hashes_were_made_anew(self) -> None:
        made = self.made()
        first, second = made.posted[:2]
        more = tuple(
            e._replace(points=e.points + 1, balance_after=e.balance_after + 1) for e in second.recorded.entries
        )
        hash = chain.event_hash(first.recorded.hash, second.recorded.content, more)
        made.posted[1] = second._replace(recorded=second.recorded._replace(entries=more, hash=hash))

        assert any("the rules give something else" in finding for finding in wrong(made))

    def test_it_sees_a_second_opening(self) -> None:
        made = books()
        past(made, opened(had(10)))
        second = decide(made.state, opened(had(10)), rules=made.rules, now=BOOKS, mode=Mode.HISTORY)
        made.state, made.posted = second.state, [*made.posted, *second.events]

        assert any("already_opened" in finding for finding in wrong(made))


def test_the_facts_survive_their_bytes() -> None:
    facts = opened(
        had(1, available_at=NOW, expires="2027-01-01"),
        had(2, never=True),
        OpenedTotal("spent", 3),
        OpenedTier("status", "gold", BOOKS, review_at=NOW),
        OpenedTier("club", "tin", BOOKS),
    )

    assert encoding.decode_facts("opening", encoding.encode_facts(facts)) == facts
    assert encoding.encode_facts(opened(had(2, earned="1970-01-01"))) == (
        b'{"lots":[{"earned_at":28800000000,"points":2,"unit":"points"}]}'
    )
    assert encoding.decode_facts("enrolment", encoding.encode_facts(Enrolment(opening=True))) == Enrolment(opening=True)
    assert encoding.encode_facts(Enrolment()) == b"{}"


def test_it_begins_a_member_whose_past_follows() -> None:
    made = books(make_rules(units=(unit(expires="P12M"),)), now=on("2025-06-01"), enrolled=False)
    past(made, opened(had(100, earned="2025-01-01")), member=Reference(identity=card(), enrol=True))
    made.now = NOW

    bought = past(made, purchase("10.00"), at=on("2025-12-31"))
    late = past(made, Redemption(50), at=on("2026-01-01"))
    after = past(made, purchase("1.00"), at=on("2026-02-01"))

    assert (gave(bought), kinds(late), kinds(after)) == ({"points": 10}, ["redemption"], ["expiry", "purchase"])
    assert remaining(made.state) == [(10, end_of("2026-12-31")), (1, end_of("2027-02-01"))]
    assert wrong(made) == []
