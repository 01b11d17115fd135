"""Transfers in the core: two members, one decision (semantics L13), and taking one back (E6)."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from app.domain import books, chain, encoding, engine, transfers
from app.domain.commands import Cancellation, Command, Facts, Hold, Identity, Named, Redemption, Reference, Transfer
from app.domain.effects import Beside, Other
from app.domain.events import Decision, Earlier, Recorded
from app.domain.lots import OutOfRange
from app.domain.refusals import (
    InsufficientPoints,
    NothingLeft,
    NotReversible,
    OwnTransfer,
    RecentlyReceived,
    Refusal,
    TransferLimit,
    TransfersOff,
    TransferSpent,
    UnknownUnit,
)
from app.domain.rules import Rules, TransferTerms
from app.domain.settling import EXPIRY
from app.domain.state import Account, MemberState
from tests.domain.builders import (
    ANNA,
    BRAM,
    NOW,
    PROGRAM,
    SPENT,
    Books,
    changed,
    command,
    end_of,
    entries,
    kinds,
    ladder,
    lot,
    make_ids,
    make_rules,
    make_state,
    moment,
    purchase,
    remaining,
    told,
    unit,
    wrong,
)

HOUR = timedelta(hours=1)


def rules(*, limit: int | None = None, **more: Any) -> Rules:
    """A point a euro, which members may pass on."""
    terms = TransferTerms(("points",), {} if limit is None else {"points": limit})
    return make_rules(**({"transfers": terms} | more))


@dataclasses.dataclass
class Two:
    """Anna's books and Bram's, kept together as the ledger keeps them."""

    anna: Books
    bram: Books

    @property
    def now(self) -> Any:
        return self.anna.now

    def later(self, span: timedelta) -> None:
        """Lets time pass for both."""
        self.anna.now += span
        self.bram.now += span

    def give(self, points: int, *, back: bool = False, **more: Any) -> Decision:
        """What comes of Anna passing points on to Bram; `back` the other way round."""
        giver, receiver = (self.bram, self.anna) if back else (self.anna, self.bram)
        facts = Transfer(points, more.pop("to", Reference(receiver.state.id)), more.pop("unit", None))
        return self._do(facts, giver, receiver, **more)

    def cancel(self, transfer: Recorded) -> Decision:
        """What comes of Anna taking a transfer back."""
        return self._do(Cancellation(Named(transfer.id, kind=Transfer.kind)), self.anna, self.bram)

    def _do(self, facts: Facts, giver: Books, receiver: Books, **more: Any) -> Decision:
        asked = command(facts, member=Reference(giver.state.id), **({"at": giver.now} | more))
        named = tuple(giver.earlier(of) for of in ((facts.of,) if isinstance(facts, Cancellation) else ()))
        received = None
        if named and named[0] is not None:
            found = receiver.earlier(transfers.received_as(named[0].event.id))
            received = None if found is None else found.event
        decision = self._decided(asked, giver, receiver, named=named, received=received)
        if decision.refusal is None:
            for side, one in ((giver, decision), (receiver, decision.others[0])):
                side.state = one.state
                side.posted += one.events
        return decision

    def _decided(
        self,
        asked: Command,
        giver: Books,
        receiver: Books,
        *,
        named: tuple[Earlier | None, ...],
        received: Recorded | None,
    ) -> Decision:
        versions = moment(rules=giver.rules).versions
        when = engine.moment_of(
            asked, giver.state, program_id=PROGRAM, versions=versions, clock=giver.now, ids=make_ids()
        )
        facts = encoding.encode_facts(asked.facts)
        recent = [one.recorded for one in giver.posted if one.recorded.kind in transfers.RECENT]
        return engine.decide(
            giver.state,
            asked,
            engine.later_of(when, receiver.state),
            digest=chain.command_digest(asked, facts, giver.state.id, key=b"k" * 32),
            facts=facts,
            identities={},
            beside=Beside(named=named, other=Other(receiver.state, received), recent=tuple(recent)),
        )


def two(*lots: Any, theirs: MemberState | None = None, **more: Any) -> Two:
    """Anna with these lots, and Bram with nothing."""
    judged = more.pop("rules", None) or rules(**more)
    return Two(Books(judged, state=make_state(*lots)), Books(judged, state=theirs or make_state(id=BRAM)))


def refusal(decision: Decision) -> Refusal | None:
    return decision.refusal


def received(decision: Decision) -> Recorded:
    """The receiver's event."""
    (other,) = decision.others
    assert other.own is not None
    return other.own


def given(decision: Decision) -> Recorded:
    """The giver's event."""
    assert decision.own is not None, decision.refusal
    return decision.own


def test_points_keep_their_end_with_their_receiver() -> None:
    """Semantics L13, L5: soonest ending first; a lot for each date, available at once."""
    made = two(
        lot(50, sequence=1), lot(30, expires="2026-12-01", sequence=2), lot(10, expires="2026-12-01", sequence=3)
    )

    decision = made.give(60)

    (taken,) = given(decision).entries
    assert [(draw.lot_sequence, draw.points) for draw in taken.draws] == [(2, 30), (3, 10), (1, 20)]
    assert [(entry.points, entry.expires_at) for entry in received(decision).entries] == [
        (40, end_of("2026-12-01")),
        (20, None),
    ]
    assert remaining(made.anna.state) == [(30, None)]
    assert remaining(made.bram.state) == [(40, end_of("2026-12-01")), (20, None)]
    assert made.bram.state.accounts["points"].available == 60


def test_the_two_events_name_each_other_and_both_sides_are_told() -> None:
    """Semantics L13, E2."""
    made = two(lot(50))

    decision = made.give(20)

    event, other = given(decision), received(decision)
    assert (other.member_id, other.source, other.kind) == (BRAM, "zegel", "transfer_in")
    assert other.key == f"tin:{event.id.hex()}"
    assert chain.context_of(event.content) == {"to": BRAM.hex(), "received": other.key}
    assert chain.context_of(other.content) == {"transfer": event.id.hex()}
    ((type, said),), ((other_type, other_said),) = told(decision), told(decision.others[0])
    assert (type, said["side"], said["points"]) == ("points.transferred", "given", {"points": 20})
    assert (other_type, other_said["side"], other_said["points"]) == ("points.transferred", "received", {"points": 20})


def test_both_are_settled_first() -> None:
    """Semantics L7, L13: what has ended is not passed on, and what is due to the receiver is written down."""
    theirs = make_state(lot(5, expires="2026-11-21", sequence=1), id=BRAM)
    made = two(lot(30, expires="2026-11-21", sequence=1), lot(40, sequence=2), theirs=theirs)
    made.later(24 * HOUR)

    decision = made.give(40)

    assert kinds(decision) == [EXPIRY, Transfer.kind]
    assert kinds(decision.others[0]) == [EXPIRY, "transfer_in"]
    assert refusal(made.give(1)) == InsufficientPoints("points", asked=1, available=0)


def test_a_receiver_whose_clock_is_ahead_is_judged_with_the_giver_at_one_time() -> None:
    """Semantics E3: recorded for neither before their last event."""
    ahead = NOW + HOUR
    made = two(lot(50), theirs=make_state(id=BRAM, now=ahead))

    decision = made.give(20)

    assert (given(decision).recorded_at, received(decision).recorded_at) == (ahead, ahead)


def test_the_receiver_is_told_although_their_past_was_imported_since() -> None:
    """Semantics E7, L13: silent is what the clock brings for that past, not what another member does."""
    made = two(lot(50), theirs=make_state(id=BRAM, quiet_before=NOW))

    decision = made.give(20, at=NOW - HOUR)

    assert [type for type, _ in told(decision.others[0])] == ["points.transferred"]


def test_what_is_held_or_owed_is_not_passed_on() -> None:
    """Semantics L13, L12."""
    made = two(lot(50, sequence=1))
    made.anna.do(Hold(30))

    assert refusal(made.give(21)) == InsufficientPoints("points", asked=21, available=20)
    assert refusal(made.give(20)) is None


def test_what_is_received_pays_what_is_owed() -> None:
    """Semantics L9."""
    owing = make_state(id=BRAM, accounts={"points": Account("points", balance=-15, deficit=15)})
    made = two(lot(50), theirs=owing)

    made.give(20)

    account = made.bram.state.accounts["points"]
    assert (account.balance, account.available, account.deficit) == (5, 5, 0)


def test_without_terms_nothing_is_passed_on() -> None:
    """Semantics L13: off unless the rules allow."""
    made = two(lot(50), rules=make_rules())

    assert refusal(made.give(20)) == TransfersOff(())


def test_only_the_units_that_are_listed_are_passed_on() -> None:
    """Semantics L13."""
    judged = rules(units=(unit(), unit("stamps"), SPENT))
    made = two(lot(50), lot(5, unit="stamps"), rules=judged)

    assert refusal(made.give(5, unit="stamps")) == TransfersOff(("points",))
    assert refusal(made.give(5, unit="pints")) == UnknownUnit(("points",))
    assert refusal(made.give(5)) is None
    several = rules(units=(unit(), unit("stamps")), transfers=TransferTerms(("points", "stamps")))
    assert refusal(two(lot(50), rules=several).give(5)) == UnknownUnit(("points", "stamps"))


def test_nobody_gives_to_themselves() -> None:
    """Semantics L13."""
    made = two(lot(50))

    assert refusal(made.give(5, to=Reference(ANNA))) == OwnTransfer()


def test_a_day_has_a_limit_by_the_programs_clock() -> None:
    """Semantics L13: what was given on the day of its recording, also what was taken back since."""
    made = two(lot(500), limit=100)
    made.cancel(given(made.give(60)))

    assert refusal(made.give(41)) == TransferLimit("points", limit=100, left=40)
    assert refusal(made.give(40)) is None
    made.later(end_of("2026-11-21") - NOW - timedelta(seconds=1))
    assert refusal(made.give(1)) == TransferLimit("points", limit=100, left=0)
    made.later(timedelta(seconds=1))
    assert refusal(made.give(100)) is None


def test_what_was_received_is_not_passed_on_for_a_day() -> None:
    """Semantics L13: its lots are passed over; they can be spent all the same."""
    made = two(lot(50, expires="2026-12-01"), theirs=make_state(lot(30, sequence=1), id=BRAM))
    made.give(50)

    assert refusal(made.give(40, back=True)) == RecentlyReceived("points", asked=40, free=30)
    assert [d.lot_sequence for d in given(made.give(10, back=True)).entries[0].draws] == [1]
    assert refusal(made.bram.do(Redemption(5))) is None
    made.later(24 * HOUR - timedelta(microseconds=1))
    assert refusal(made.give(40, back=True)) == RecentlyReceived("points", asked=40, free=20)
    made.later(timedelta(microseconds=1))
    assert refusal(made.give(40, back=True)) is None


def test_what_is_received_moves_nobody_to_a_tier() -> None:
    """Semantics L13, T1: a ladder stands on what cannot be spent, and that is not passed on."""
    judged = rules(units=(unit(), SPENT), ladders=(ladder(("silver", 20)),))
    made = two(lot(50), rules=judged)

    assert received(made.give(30)).tier_changes == ()


def test_cancelled_it_is_as_if_it_had_not_been() -> None:
    """Semantics E6, L8: from exactly the lots that came, into exactly those it came from."""
    made = two(lot(50, sequence=1), lot(30, expires="2026-12-01", sequence=2), theirs=make_state(lot(7), id=BRAM))
    before = remaining(made.anna.state)
    transfer = given(made.give(60))

    decision = made.cancel(transfer)

    assert remaining(made.anna.state) == before
    assert remaining(made.bram.state) == [(7, None)]
    assert [type for type, _ in told(decision)] == ["points.restored"]
    assert [type for type, _ in told(decision.others[0])] == ["points.reversed"]
    assert (given(decision).about, received(decision).kind) == (transfer.id, "transfer_reversal")
    assert refusal(made.cancel(transfer)) == NothingLeft()


@pytest.mark.parametrize("use", [Redemption(1), Hold(1)])
def test_it_is_cancelled_only_while_all_of_it_is_there(use: Facts) -> None:
    """Semantics E6: a point that was spent, or is held, and it stands."""
    made = two(lot(50))
    transfer = given(made.give(20))
    made.bram.do(use)

    assert refusal(made.cancel(transfer)) == TransferSpent("points", given=20, left=19)
    assert made.anna.state.accounts["points"].balance == 30


def test_a_transfer_is_cancelled_where_it_is_named_as_one() -> None:
    """Semantics E6."""
    made = two(lot(50))
    transfer = given(made.give(20))

    found = refusal(made.anna.do(Cancellation(Named(transfer.id))))

    assert isinstance(found, NotReversible)


def test_a_receiver_with_too_many_points_gets_no_more() -> None:
    """Semantics L2, L13: refused as a whole, the giver keeps theirs."""
    full = make_state(id=BRAM, accounts={"points": Account("points", balance=0, earned=2**53 - 1)})
    made = two(lot(50), theirs=full)

    assert refusal(made.give(1)) == OutOfRange("points").refusal
    assert remaining(made.anna.state) == [(50, None)]


def test_both_books_prove_themselves_without_each_other() -> None:
    """Semantics L15: each side is decided again from its own rows."""
    made = two(rules=rules(limit=100, units=(unit(expires="P1M"),)))
    made.anna.state, made.bram.state = MemberState(id=ANNA), MemberState(id=BRAM)
    for side, digest in ((made.anna, b"a"), (made.bram, b"b")):
        who = Reference(identity=Identity("card", digest.decode(), digest), enrol=True)
        side.do(command(purchase("50.00"), member=who))
    made.cancel(given(made.give(20)))
    made.give(30)
    made.later(24 * HOUR)
    made.give(40, back=True)
    made.later(60 * 24 * HOUR)
    made.anna.settle()
    made.bram.settle()

    assert wrong(made.anna) == []
    assert wrong(made.bram) == []


def test_a_changed_side_is_found() -> None:
    """Semantics L15."""
    made = two()
    made.anna.state, made.bram.state = MemberState(id=ANNA), MemberState(id=BRAM)
    for side, digest in ((made.anna, b"a"), (made.bram, b"b")):
        who = Reference(identity=Identity("card", digest.decode(), digest), enrol=True)
        side.do(command(purchase("50.00"), member=who))
    made.give(20)
    last = made.bram.posted[-1]
    (entry,) = last.recorded.entries

    richer = changed(last.recorded, entries=(changed(entry, points=21, balance_after=71),))
    made.bram.posted[-1] = changed(last, recorded=richer)

    assert any("the rules give something else" in finding for finding in wrong(made.bram))


def test_the_facts_of_both_sides_are_read_back_as_they_were_written() -> None:
    made = two(lot(50, expires="2026-12-01"), lot(50))

    decision = made.give(70)
    made.cancel(given(decision))

    for posted in (*made.anna.posted, *made.bram.posted):
        content = chain.decode_content(posted.recorded.content)
        assert encoding.encode_facts(encoding.decode_facts(content.kind, content.facts)) == content.facts
    nobody = Transfer(5, Reference(identity=Identity("", "", b"digest")))
    assert encoding.decode_facts("transfer", encoding.encode_facts(nobody)) == nobody


def test_nothing_is_issued_or_redeemed_by_it() -> None:
    """Semantics L15: the giver's debit and the receiver's credit cancel out, and so do those of a cancellation."""
    made = two(lot(50, expires="2026-12-01"), lot(50), theirs=make_state(lot(7), id=BRAM))
    transfer = made.give(70)
    back = made.cancel(given(transfer))

    for decision in (transfer, back):
        ways = [
            books.way(posted.recorded.kind, entry)
            for one in (decision, *decision.others)
            for posted in one.events
            for entry in posted.recorded.entries
        ]
        assert sum(points for way, points in ways if way == "redeemed") == 0
        assert {way for way, _ in ways} == {"redeemed"}
        assert entries(decision)
