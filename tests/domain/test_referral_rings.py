"""Rings, chains and loops of referrals earn nothing that they should not (semantics F1, F5, R6)."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.calendar import parse_span
from app.domain.events import Recorded
from app.domain.periods import LIFETIME
from app.domain.refusals import HasReferred
from app.domain.rules import ReferralCap, ReferralMilestone
from tests.domain.builders import accepted, back, cents, friends_rules, friends_terms, purchase
from tests.domain.circle import Circle, id_of

WAITS = st.sampled_from([None, "P14D"])


def circle(wait: str | None = None, **terms: Any) -> Circle:
    """Nobody yet, in a program that rewards both sides."""
    return Circle(friends_rules(referrals=friends_terms(wait=parse_span(wait) if wait else None, **terms)))


def rewarded(made: Circle) -> None:
    """Lets every wait pass."""
    made.now += timedelta(days=20)
    made.settle()


@settings(max_examples=60)
@given(st.integers(2, 10), st.randoms(use_true_random=False), WAITS)
def test_no_ring_closes(size: int, random: Any, wait: str | None) -> None:
    """Semantics F1: each of a ring names the next, in any order; the one who would close it is refused."""
    made = circle(wait)
    for member in range(size):
        made.join(member)
    order = list(range(size))
    random.shuffle(order)

    refused = [m for m in order if isinstance(made.claim(m, by=(m + 1) % size).refusal, HasReferred)]
    for member in range(size):
        made.do(member, purchase("10.00"))
    rewarded(made)

    assert refused
    referrers = {m: made.books[m].state.referrer for m in range(size)}
    for start in range(size):
        seen, at = set(), start
        while (above := referrers[at]) is not None:
            assert at not in seen
            seen.add(at)
            at = next(m for m in range(size) if id_of(m) == above)
    brought = size - len(refused)
    assert sum(made.given(m) for m in range(size)) == brought * 125
    assert made.wrong() == []


def test_a_chain_of_a_hundred_earns_each_link_once() -> None:
    """Semantics F5: nobody gets anything for the friends of friends."""
    made = circle()
    made.join(0)
    for member in range(1, 101):
        made.join(member, by=member - 1)
        made.do(member, purchase("10.00"))
    made.settle()

    assert made.given(0) == 100
    assert {made.given(m) for m in range(1, 100)} == {125}
    assert made.given(100) == 25
    assert set(made.standing().values()) == {1}


def test_a_chain_built_from_its_end_has_no_two_links() -> None:
    """Semantics F1: who has brought somebody is brought by nobody."""
    made = circle()
    for member in range(101):
        made.join(member)

    refusals = [made.claim(member, by=member - 1).refusal for member in range(100, 0, -1)]

    assert [isinstance(one, HasReferred) for one in refusals] == [False, True] * 50


STEPS = st.lists(
    st.tuples(st.sampled_from(["buy", "return", "part", "wait", "settle"]), st.integers(0, 3), st.integers(0, 20)),
    max_size=30,
)


@settings(max_examples=150)
@given(STEPS, WAITS, st.booleans())
def test_buying_and_returning_in_loops_gains_nothing(
    steps: list[tuple[str, int, int]], wait: str | None, cap: bool
) -> None:
    """Semantics F5, R5, R6: at most one bonus a pair and side stands at any time, and none once all is back."""
    terms: dict[str, Any] = {"milestones": (ReferralMilestone("points", 70, every=2),)}
    if cap:
        terms["cap"] = ReferralCap(2, LIFETIME)
    made = circle(wait, **terms)
    made.join(0)
    for friend in (1, 2, 3):
        made.join(friend, by=0)
    bought: list[tuple[int, Recorded]] = []
    for what, which, size in steps:
        friend = 1 + which % 3
        if what == "buy":
            bought.append((friend, accepted(made.do(friend, purchase(f"{size}.00"))).recorded))
        elif what in ("return", "part") and bought:
            owner, event = bought[size % len(bought)]
            more = {} if what == "return" else {"amount": cents("3.00"), "currency": "EUR"}
            made.do(owner, back(event, **more))
        elif what == "wait":
            made.now += timedelta(days=size)
        elif what == "settle":
            made.settle()
        assert max(made.standing().values(), default=0) <= 1
    for owner, event in bought:
        made.do(owner, back(event))
    rewarded(made)

    assert set(made.standing().values()) <= {0}
    assert {m: made.given(m) for m in range(4)} == dict.fromkeys(range(4), 0)
    assert not any(row.times or row.points for row in made.books[0].state.usage.values())
    assert made.wrong() == []
