"""Random sequences over the HTTP API against a small independent model: no overspend, no lost point (quality, Never).

After every step the members concerned, and at the end all, must have what the model says: balances, lots, tier,
statement with its running balances and dense numbers, and what waits (semantics E1, E3, E4, E6, L1, L3–L10, L12, L15,
A1, A6, R1–R6, T2, T5, F2, F3, F5).
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.settings import Settings
from app.worker.settling import settle_once
from tests import model
from tests.builders import START, Clock, Service, open_service, publish
from tests.model import Model, View, card_of

PEOPLE = 4
SECOND = timedelta(seconds=1)
STARTS = (START, START + timedelta(days=115), START + timedelta(days=445))
"""In November, a fortnight before the clocks go forward, and before 29 February of a leap year."""

EVERYTHING = ("points", "tier", "lots", "events")
BY_THE_CLOCK = ("points", "tier", "lots")

Step = tuple[Any, ...]

people = st.integers(0, PEOPLE - 1)
cents = st.sampled_from([0, 99, 9_99, 10_00, 49_95, 190_00, 200_00, 310_01]) | st.integers(0, 400_00)
lateness = st.sampled_from([1, 26, 19 * 24 + 15, 20 * 24, 21 * 24, 30 * 24 - 1, 30 * 24 + 1, -0.05, -0.1])
"""Hours: late, so late that the points are born expired, too late, a little and too early."""

numbers = st.integers(0, 2) | st.integers(0, 50)
"""From the last one back."""
ways = st.sampled_from(["all", "all", "amount", "lines", "line", "unknown_line", "other_currency"])
percents = st.sampled_from([1, 30, 50, 100, 100, 101])
kinds = st.sampled_from(["redemption", "purchase", "activity", "hold", "capture"])
parkable = st.sampled_from(["return", "return", "purchase", "redemption", "activity", "hold", "capture"])
"""What is taken back before it has come: goods, or an event of this kind."""
minutes = st.sampled_from([None, 1, 50, 9 * 60 + 30, 3 * 24 * 60, 7 * 24 * 60])
"""How long a hold lasts; if not said, 15."""

steps = st.one_of(
    st.tuples(st.just("rest")),
    st.tuples(st.just("enrol"), people),
    st.tuples(st.just("bring"), people, people),
    st.tuples(st.just("bring_buyer"), people, people, st.sampled_from([9_99, 10_00, 60_00])),
    st.tuples(st.just("buy"), people, cents, st.just(0)),
    st.tuples(st.just("buy"), people, cents, st.just(0)),
    st.tuples(st.just("buy"), people, cents, lateness),
    st.tuples(st.just("buy"), people, st.just(210_00), st.sampled_from([0, 1, 26])),
    st.tuples(st.just("redeem"), people, st.integers(1, 100) | st.just(100)),
    st.tuples(st.just("redeem"), people, st.integers(1, 100) | st.just(101)),
    *[st.tuples(st.just("offline"), people, st.integers(1, 100) | st.sampled_from([100, 101, 130]), lateness)] * 2,
    st.tuples(st.just("basket"), people, st.integers(1, 3), cents, st.sampled_from([0, 26])),
    st.tuples(st.just("answer"), people),
    *[st.tuples(st.just("bring_back"), numbers, ways, percents, st.sampled_from([0, 0, 1, 26, -0.05]))] * 3,
    st.tuples(st.just("cancel"), kinds, numbers, percents),
    st.tuples(st.just("cancel"), st.just("redemption"), numbers, percents),
    *[st.tuples(st.just("hold"), people, st.integers(1, 100) | st.sampled_from([100, 101]), minutes)] * 2,
    *[st.tuples(st.just("capture"), numbers, percents, st.booleans(), people)] * 2,
    st.tuples(st.just("release"), numbers, people),
    *[st.tuples(st.just("pay"), numbers, cents, st.sampled_from([0, 30, 77, 100, 120]), people)] * 2,
    st.tuples(st.just("mistake"), numbers, st.sampled_from(["return", "cancellation"]), people),
    *[st.tuples(st.just("park"), people, parkable, st.sampled_from([1, 100, 100]), st.sampled_from([0, 26]))] * 2,
    st.tuples(
        st.just("park_another"), numbers, st.sampled_from(["return", "purchase"]), percents, lateness | st.just(0)
    ),
    *[st.tuples(st.just("come"), numbers, people, st.sampled_from([10_00, 60_00, 310_00]), lateness | st.just(0))] * 2,
    st.tuples(st.just("misname"), numbers, kinds, kinds),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 1, 9, 24, 5 * 24, 20 * 24, 21 * 24, 45 * 24])),
    st.tuples(st.just("again"), st.integers(0, 50)),
    st.tuples(st.just("otherwise"), st.integers(0, 50)),
    st.tuples(st.just("settle")),
)
_examples = itertools.count(1)


quiet: dict[str, Any] = {"suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


@pytest.fixture
async def modeled(settings: Settings, clock: Clock) -> AsyncIterator[Service]:
    """The service with the program that the model knows."""
    await publish(settings, clock=clock, document=model.DOCUMENT, program="model")
    async with open_service(settings, clock=clock, program="model") as service:
        yield service


TOLD = [
    # A tier of its own time for a sale that came late, and gold reached by what arrived last.
    [("buy", 0, 210_00, 2), ("buy", 0, 100_00, 3), ("buy", 0, 100_00, 1), ("buy", 0, 310_01, 26), ("buy", 0, 49_95, 0)],
    # A bonus that waited longer than its points live; a redemption of what it brought.
    [
        *[("enrol", 0), ("wait", 1080), ("settle",), ("bring", 0, 0), ("buy", 1, 10_00, 0), ("wait", 1080)],
        *[("buy", 0, 5_00, 0), ("settle",), ("redeem", 0, 100)],
    ],
    [("enrol", 0), ("bring", 0, 0), ("buy", 1, 60_00, 0), ("redeem", 1, 100), ("redeem", 0, 100), ("again", 3)],
    # Lots that end one after the other, drawn over both, and points born expired.
    [
        ("buy", 0, 60_00, 26),
        ("buy", 0, 60_00, 1),
        ("redeem", 0, 70),
        ("wait", 480),
        ("settle",),
        ("buy", 0, 60_00, 504),
    ],
    # Worked example 5: a deficit that the next credit pays.
    [
        *[("enrol", 0), ("redeem", 0, 100), ("buy", 0, 80_00, 0), ("redeem", 0, 38), ("bring_back", 0, "all", 100, 0)],
        *[("buy", 0, 100_00, 0), ("settle",)],
    ],
    # A return after the points expired, of one purchase in parts and of another whole; then a survey pays what is owed.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("buy", 0, 9_99, 0), ("wait", 504), ("bring_back", 1, "amount", 30, 0)],
        *[("bring_back", 1, "amount", 101, 0), ("bring_back", 1, "line", 100, 0), ("bring_back", 1, "all", 100, 0)],
        *[("bring_back", 0, "all", 100, 1), ("answer", 0), ("cancel", "activity", 0, 100), ("settle",)],
    ],
    # A return that costs a tier, judged at both sides of its instant, and a purchase that regains it.
    [
        *[("buy", 0, 310_00, 26), ("buy", 0, 200_00, 20), ("bring_back", 1, "all", 100, 10), ("buy", 0, 49_95, 11)],
        *[("buy", 0, 40_00, 9), ("buy", 0, 250_00, 5), ("buy", 0, 49_95, 6), ("buy", 0, 49_95, 4)],
        *[("cancel", "purchase", 1, 100), ("bring_back", 4, "all", 100, -0.05), ("buy", 0, 310_01, 0)],
    ],
    # A cancelled redemption whose lots have ended, one of them; the rest later, when both have.
    [
        *[("enrol", 0), ("wait", 120), ("buy", 0, 60_00, 0), ("redeem", 0, 90), ("cancel", "redemption", 0, 30)],
        *[("wait", 400), ("cancel", "redemption", 0, 50), ("wait", 120), ("cancel", "redemption", 0, 101)],
        *[("cancel", "redemption", 0, 100), ("cancel", "redemption", 0, 100), ("settle",)],
    ],
    # A cancelled redemption whose lots have ended, beside a deficit.
    [
        *[("enrol", 0), ("wait", 120), ("buy", 0, 60_00, 0), ("redeem", 0, 100), ("bring_back", 0, "all", 100, 0)],
        *[("wait", 400), ("cancel", "redemption", 0, 1), ("cancel", "redemption", 0, 50), ("settle",)],
        *[("cancel", "redemption", 0, 100), ("settle",)],
    ],
    [
        ("buy", 0, 10_00, 0),
        ("redeem", 0, 100),
        ("bring_back", 0, "all", 100, 0),
        ("wait", 504),
        ("cancel", "redemption", 0, 100),
    ],
    # A sale whose points are born expired, beside a deficit.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("redeem", 0, 100), ("bring_back", 0, "all", 100, 0)],
        *[("buy", 0, 10_00, 504), ("settle",), ("buy", 0, 99_00, 504)],
    ],
    # A return that takes bonuses back, one of them spent; then a purchase that qualifies again, and a rest.
    [
        *[("enrol", 0), ("bring", 0, 0), ("buy", 1, 60_00, 0), ("settle",), ("redeem", 0, 100), ("redeem", 1, 80)],
        *[("bring_back", 0, "amount", 50, 0), ("bring_back", 0, "amount", 50, 0), ("bring_back", 0, "amount", 50, 0)],
        *[("settle",), ("buy", 1, 9_99, 0), ("buy", 1, 10_00, 0), ("settle",), ("bring_back", 2, "all", 100, 0)],
        *[("settle",), ("cancel", "purchase", 0, 100), ("settle",), ("wait", 1080), ("buy", 1, 60_00, 0), ("settle",)],
    ],
    # A return of a little, which leaves less than the bonus asked for.
    [("enrol", 0), ("bring", 0, 0), ("buy", 1, 10_00, 0), ("settle",), ("bring_back", 0, "amount", 1, 0), ("settle",)],
    # The same before the referrer was settled.
    [("enrol", 0), ("bring", 0, 0), ("buy", 1, 60_00, 0), ("cancel", "purchase", 0, 100), ("redeem", 0, 100)],
    # A return of bonuses that waited longer than they lived; a bonus that pays a deficit, and is taken back in part.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("redeem", 0, 100), ("bring", 0, 0), ("buy", 1, 60_00, 0), ("settle",)],
        *[("bring_back", 0, "all", 100, 0), ("wait", 504), ("settle",), ("redeem", 0, 101)],
        *[("answer", 0), ("redeem", 0, 100), ("cancel", "activity", 0, 100), ("buy", 1, 60_00, 0), ("settle",)],
        *[("bring_back", 0, "all", 100, 0), ("answer", 0), ("cancel", "redemption", 0, 100), ("settle",)],
    ],
    # From bronze to gold by one purchase, and down by parts of it.
    [
        *[("buy", 0, 310_00, 26), ("cancel", "purchase", 0, 100), ("enrol", 0), ("buy", 0, 600_00, 20)],
        *[("bring_back", 0, "amount", 50, 26), ("buy", 0, 10_00, 21), ("buy", 0, 10_00, 19)],
        *[("bring_back", 2, "amount", 50, 0), ("buy", 0, 10_00, 0), ("bring_back", 3, "line", 100, 0)],
    ],
    # Our id of what is of another kind than was said.
    [
        *[("enrol", 0), ("answer", 0), ("buy", 0, 60_00, 0), ("redeem", 0, 50), ("misname", 0, "activity", "activity")],
        *[("misname", 0, "redemption", "purchase"), ("misname", 0, "purchase", "redemption")],
    ],
    # Two lines, one by quantities and one by amounts; an amount over both; the grant for coffee goes with its line.
    [
        *[("basket", 0, 3, 9_99, 0), ("bring_back", 0, "lines", 30, 0), ("bring_back", 0, "line", 101, 0)],
        *[("bring_back", 0, "line", 100, 0), ("bring_back", 0, "lines", 50, 0), ("bring_back", 0, "all", 100, 0)],
        *[("basket", 0, 2, 20_00, 0), ("bring_back", 0, "amount", 50, 0), ("bring_back", 0, "all", 100, 0)],
    ],
    # A hold in parts, the rest freed; a capture given back in parts; a second attempt at each.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("hold", 0, 80, 50), ("redeem", 0, 101), ("capture", 0, 30, False, 0)],
        *[("capture", 0, 101, True, 0), ("capture", 0, 50, True, 0), ("capture", 0, 100, True, 0), ("release", 1, 0)],
        *[("cancel", "capture", 0, 50), ("cancel", "capture", 1, 101), ("cancel", "capture", 0, 100)],
        *[("cancel", "capture", 0, 100), ("cancel", "hold", 0, 100), ("hold", 0, 101, 1), ("release", 0, 0)],
    ],
    # Two holds, one released and one that lapses, both looked at before it is written down; another member's.
    [
        *[("enrol", 0), ("enrol", 1), ("hold", 0, 50, 50), ("hold", 0, 100, None), ("release", 1, 0), ("wait", 0.3)],
        *[("capture", 0, 100, True, 0), ("redeem", 0, 100), ("hold", 1, 100, 50), ("capture", 6, 100, True, 0)],
        *[("cancel", "hold", 0, 100), ("hold", 1, 100, 1), ("again", 4), ("otherwise", 4), ("wait", 1), ("settle",)],
    ],
    # All of a hold is captured, but the capture was not final.
    [
        *[("enrol", 0), ("hold", 0, 50, 50), ("capture", 0, 100, False, 0), ("capture", 0, 1, True, 0), ("wait", 1)],
        *[("settle",), ("release", 1, 0)],
    ],
    # A purchase that its hold pays, in part and wholly; one whose hold has lapsed; each comes back.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("hold", 0, 30, 50), ("pay", 0, 49_95, 30, 0), ("pay", 0, 49_95, 77, 0)],
        *[("bring_back", 1, "amount", 30, 0), ("bring_back", 1, "all", 100, 0), ("hold", 0, 30, 50)],
        *[("pay", 0, 49_95, 120, 0), ("hold", 0, 30, 1), ("wait", 1), ("pay", 0, 310_01, 30, 0), ("settle",)],
        *[("cancel", "purchase", 0, 100), ("bring_back", 1, "line", 100, 0)],
    ],
    # A basket that a hold pays in part comes back by lines, by an amount and whole.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("hold", 0, 30, 50), ("hold", 0, 30, 50), ("pay", 1, 49_95, 30, 0)],
        *[("bring_back", 0, "lines", 30, 0), ("bring_back", 0, "line", 100, 0), ("bring_back", 0, "all", 100, 0)],
        *[("pay", 1, 9_99, 77, 0), ("bring_back", 0, "amount", 30, 0), ("bring_back", 0, "all", 100, 0)],
        *[("release", 1, 0), ("pay", 1, 9_99, 77, 0)],
    ],
    # What is held does not expire: captured, released and lapsed after its end, and looked at in between.
    *[
        [
            *[("enrol", 0), ("wait", 24), ("buy", 0, 60_00, 0), ("wait", 19 * 24), ("hold", 0, 60, 3 * 24 * 60)],
            *[("wait", 24), ("redeem", 0, 101), ("wait", 24), *end, ("wait", 24), ("answer", 0), ("settle",)],
        ]
        for end in (
            [("capture", 0, 50, True, 0), ("cancel", "capture", 0, 50), ("cancel", "capture", 0, 100)],
            [("release", 1, 0)],
            [("capture", 0, 30, False, 0), ("wait", 24)],
            [("pay", 0, 10_00, 100, 0)],
            [("wait", 24), ("hold", 0, 100, 1)],
        )
    ],
    # No return touches what is held; what is freed pays what is owed, also after its end.
    *[
        [
            *[("buy", 0, 60_00, 0), ("wait", 19 * 24), ("hold", 0, 70, 3 * 24 * 60), ("redeem", 0, 50), *wait],
            *[("bring_back", 0, "all", 100, 0), ("redeem", 0, 1), *end, ("wait", 1), ("answer", 0), ("settle",)],
        ]
        for wait in ([], [("wait", 48)])
        for end in ([("capture", 0, 50, True, 0)], [("release", 1, 0)], [("wait", 72)], [("pay", 0, 10_00, 100, 0)])
    ],
    # A redemption out of a lot of which a part is held is given back after the lot's end.
    [
        *[("buy", 0, 60_00, 0), ("wait", 19 * 24), ("redeem", 0, 50), ("hold", 0, 30, 3 * 24 * 60)],
        *[("hold", 0, 50, 3 * 24 * 60 + 60), ("wait", 48), ("cancel", "redemption", 0, 50), ("release", 1, 0)],
        *[("cancel", "redemption", 0, 100), ("wait", 24), ("settle",)],
    ],
    # Taken back before it came, twice; sent again, otherwise, and after it was posted.
    [
        *[("enrol", 0), ("park", 0, "return", 1, 0), ("again", 1), ("otherwise", 1), ("buy", 0, 9_99, 0)],
        *[("come", 0, 0, 60_00, 0), ("again", 1), ("bring_back", 0, "all", 100, 0)],
        *[("park", 0, "purchase", 100, 26), ("come", 0, 0, 310_00, 1), ("settle",)],
    ],
    # Several wait for the same purchase, and are judged by when they occurred; the last of them is refused.
    [
        *[("enrol", 0), ("park", 0, "return", 1, 0), ("park_another", 0, "return", 1, 2), ("park", 0, "return", 1, 0)],
        *[("park_another", 1, "purchase", 100, 1), ("come", 1, 0, 60_00, 3), ("again", 1), ("again", 4), ("settle",)],
        *[("come", 0, 0, 60_00, 0), ("settle",)],
    ],
    *[
        [("enrol", 0), ("hold", 0, 60, 50), ("park", 0, kind, 1, 0), ("come", 0, 0, 0, 0), ("cancel", kind, 0, 100)]
        for kind in ("redemption", "activity", "hold", "capture")
    ],
    # Somebody whom a friend brought never buys, and is looked at before that is written down.
    [("enrol", 1), ("bring", 2, 1), ("wait", 1080)],
    # Too much is refused when it comes; what waited too long has lapsed, and may come anew.
    [
        *[("enrol", 0), ("park", 0, "return", 1, 0), ("come", 0, 0, 9_99, 0), ("again", 1), ("wait", 1)],
        *[("park", 0, "return", 100, 26), ("wait", 30 * 24), ("again", 3), ("come", 0, 0, 60_00, 0), ("settle",)],
        *[("park", 0, "return", 100, 0), ("wait", 15 * 24), ("settle",), ("wait", 16 * 24), ("settle",)],
    ],
    # What waits meets a bonus and points born expired; it is another member's.
    [
        *[("enrol", 0), ("bring", 1, 0), ("park", 1, "return", 100, 0), ("come", 0, 0, 60_00, 0), ("settle",)],
        *[("park", 1, "return", 1, 0), ("come", 0, 0, 60_00, 504), ("settle",), ("park", 0, "return", 100, 0)],
        *[("come", 6, 1, 10_00, 0), ("again", 5), ("wait", 1), ("come", 0, 0, 10_00, 0)],
    ],
    # What comes for somebody else: all that waits for it is refused by the worker, or when one of it is sent again.
    [
        *[("enrol", 0), ("enrol", 3), ("park", 0, "return", 100, 0), ("park_another", 0, "return", 50, 0)],
        *[("come", 6, 1, 10_00, 0), ("wait", 1), ("settle",), ("again", 2), ("wait", 1)],
    ],
    [
        *[("enrol", 0), ("enrol", 3), ("park", 0, "return", 100, 0), ("park_another", 0, "return", 50, 0)],
        *[("park", 0, "hold", 100, 0), ("come", 6, 1, 10_00, 0), ("wait", 1), ("again", 3), ("wait", 1), ("again", 2)],
        *[("come", 6, 1, 5, 0), ("wait", 1), ("again", 4), ("wait", 1), ("settle",)],
    ],
    [("enrol", 0), ("buy", 1, 60_00, 0), ("mistake", 0, "return", 0), ("mistake", 3, "cancellation", 0), ("again", 3)],
    # A till that was without a network while points ended and came; it is taken back, and so is what is owed for it.
    [
        *[("enrol", 0), ("wait", 120), ("buy", 0, 49_95, 0), ("wait", 384), ("buy", 0, 10_00, 0)],
        *[("offline", 0, 20, 26), ("settle",), ("offline", 0, 100, 26), ("cancel", "redemption", 0, 100)],
        *[("offline", 0, 100, 26), ("wait", 120), ("offline", 0, 130, 19 * 24), ("offline", 0, 5, 19 * 24)],
        *[("answer", 0), ("cancel", "redemption", 0, 50), ("settle",), ("cancel", "redemption", 0, 100), ("settle",)],
    ],
    [
        *[("enrol", 0), ("offline", 0, 130, 1), ("offline", 0, 130, -0.05), ("buy", 0, 9_99, 0)],
        *[("cancel", "redemption", 0, 30), ("offline", 0, 100, 26), ("offline", 0, 30, 26), ("wait", 504)],
        *[("cancel", "redemption", 0, 100), ("cancel", "redemption", 2, 100), ("settle",), ("offline", 0, 50, 20 * 24)],
    ],
    # What was refused may be tried again; what was recorded stays, also when its time is long over.
    [
        ("enrol", 0),
        ("redeem", 0, 101),
        ("buy", 0, 60_00, 0),
        ("again", 1),
        ("wait", 1080),
        ("again", 2),
        ("otherwise", 2),
    ],
]
"""Stories that chance tells too seldom."""


@pytest.mark.parametrize("todo", TOLD)
async def test_a_story_ends_where_the_model_says(modeled: Service, todo: Sequence[Step]) -> None:
    await Driver(modeled, START).run(todo)


@pytest.mark.timeout(600)
@settings(max_examples=20, phases=[Phase.explicit, Phase.generate], **quiet)
@given(st.sampled_from(STARTS), st.lists(steps, min_size=30, max_size=30))
async def test_every_sequence_of_commands_ends_where_the_model_says(
    modeled: Service, start: datetime, todo: Sequence[Step]
) -> None:
    """A failure is not made smaller here: that takes minutes, and the long one below does it."""
    await Driver(modeled, start).run(todo)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=200, **quiet)
@given(st.sampled_from(STARTS), st.lists(steps, min_size=50, max_size=50))
async def test_every_long_sequence_of_commands_ends_where_the_model_says(
    modeled: Service, start: datetime, todo: Sequence[Step]
) -> None:
    await Driver(modeled, start).run(todo)


class Driver:
    """Sends the same to the service and to the model, and compares. Members and ids are new in each example."""

    def __init__(self, service: Service, start: datetime) -> None:
        self.service, self.clock, self.model = service, service.clock, Model()
        self.prefix = f"x{next(_examples)}-"
        self.ids: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self.answers: dict[tuple[str, str], Any] = {}
        self.compared: dict[str, int] = {}
        """How many events of each card were seen to be as they must be."""
        self.spread: set[str] = set()
        """Purchases of several lines of which an amount came back, so that cents were rounded line by line."""
        self.sent: list[View] = []
        self.promised: list[tuple[str, str, str]] = []
        """Kind, id and card of what was taken back before it came."""
        self.clock.now = start

    async def run(self, todo: Sequence[Step]) -> None:
        for name, *arguments in todo:
            self.clock.forward(seconds=1)
            await getattr(self, f"_{name}")(*arguments)
        self.compared.clear()
        await self._compare(self.model.members, (*EVERYTHING, "referral"))
        await self._compare_parked()

    async def _rest(self) -> None:
        pass

    async def _wait(self, hours: float) -> None:
        """Time alone changes what readers see, and writes nothing."""
        self.clock.forward(hours=hours)
        await self._compare(self.model.members, BY_THE_CLOCK)
        await self._compare_parked()

    async def _settle(self) -> None:
        parts = self.service.app.state.parts
        await settle_once(parts.engine, parts.ledger, now=self.clock())
        self.model.settle(self.clock())
        assert await settle_once(parts.engine, parts.ledger, now=self.clock()) == 0
        await self._compare(self.model.members)

    async def _enrol(self, who: int, *, friend: str | None = None) -> None:
        body: View = {"type": "enrolment", "id": self._id(), "occurred_at": self.clock().isoformat()}
        body |= {"identities": {"card": self._card(who)}}
        await self._send(body if friend is None else body | {"friend": friend})

    async def _bring(self, who: int, friend: int) -> None:
        """Somebody new joins by a member's code, if there are such people."""
        new = [card for card in map(self._card, range(PEOPLE)) if card not in self.ids]
        if new and self.codes:
            number = int(new[who % len(new)].removeprefix(self.prefix))
            await self._enrol(number, friend=sorted(self.codes)[friend % len(self.codes)])

    async def _bring_buyer(self, who: int, friend: int, cents: int) -> None:
        """Somebody new joins so, and buys."""
        before = set(self.ids)
        await self._bring(who, friend)
        self.clock.forward(seconds=1)
        for card in self.ids.keys() - before:
            await self._buy(int(card.removeprefix(self.prefix)), cents, 0)

    async def _buy(self, who: int, cents: int, hours_late: float) -> None:
        body: View = {"type": "purchase", "id": self._id(), "occurred_at": self._ago(hours_late), "currency": "EUR"}
        body |= {"member": {"identity": f"card:{self._card(who)}", "enrol": True}}
        await self._send(body | {"total": _money(cents)})

    async def _basket(self, who: int, quantity: int, cents: int, hours_late: float) -> None:
        """Some coffee at 2.50, and something else."""
        body: View = {"type": "purchase", "id": self._id(), "occurred_at": self._ago(hours_late), "currency": "EUR"}
        body |= {"member": {"identity": f"card:{self._card(who)}", "enrol": True}}
        coffee = {"sku": "coffee", "quantity": str(quantity), "amount": _money(quantity * 2_50)}
        await self._send(body | {"lines": [coffee, {"amount": _money(1_00 + cents)}]})

    async def _answer(self, who: int) -> None:
        """An activity, of somebody known."""
        if self.ids:
            body = {"type": "activity", "id": self._id(), "occurred_at": self._ago(0), "activity": "survey"}
            await self._send(body | {"member": f"card:{sorted(self.ids)[who % len(self.ids)]}"})

    async def _bring_back(self, number: int, way: str, percent: int, hours_late: float) -> None:
        """So much of what is left of a purchase, or more; by a line only where no amount was spread over several."""
        sold = self._sent_before("purchase", number)
        if sold is None:
            return
        body: View = {"type": "return", "id": self._id(), "occurred_at": self._ago(hours_late), "purchase": sold["id"]}
        body |= {"member": f"card:{card_of(sold)}"}
        left = self.model.members[card_of(sold)].purchases[sold["id"]]
        part = max(1, left.left() * percent // 100 if percent <= 100 else left.left() + 1)
        coffee, lines = left.lines["1"], [{"id": "1"}]
        if way == "all" or sold["id"] in self.spread:
            body["all"] = True
        elif way in ("unknown_line", "other_currency"):
            body |= {"amount": "0.01", "currency": "USD"} if way == "other_currency" else {"lines": [{"id": "9"}]}
        elif way == "amount":
            body |= {"amount": _money(part), "currency": "EUR"}
            if "lines" in sold:
                self.spread.add(sold["id"])
        elif "lines" in sold:
            some = max(1, coffee.quantity - 1) if percent <= 100 else coffee.quantity + 1
            rest = max(1, int(left.lines["2"].cents) * percent // 100)
            lines = [{"id": "1", "quantity": str(some)}, {"id": "2", "amount": _money(rest)}]
            body |= {"lines": lines, "currency": "EUR"} if way == "lines" else {"lines": lines[:1]}
        else:
            body |= {"lines": lines}
        await self._send(body)

    async def _cancel(self, kind: str, number: int, percent: int) -> None:
        """So much of a redemption, or a point more than is left; the whole of anything else."""
        named = self._sent_before(kind, number)
        if named is None:
            return
        card = card_of(named)
        body: View = {"type": "cancellation", "id": self._id(), "occurred_at": self._ago(0), "member": f"card:{card}"}
        body |= {"event": named["id"], "kind": kind}
        if kind in ("redemption", "capture") and percent != 100:
            member = self.model.members[card]
            draws = member.redemptions if kind == "redemption" else member.captures
            left = sum(points for _, points in draws[named["id"]])
            body["points"] = max(1, left * percent // 100 if percent <= 100 else left + 1)
        await self._send(body)

    async def _hold(self, who: int, percent: int, minutes: int | None) -> None:
        """So much of what a member has is kept aside, or a point too many."""
        if not self.ids:
            return
        card = sorted(self.ids)[who % len(self.ids)]
        body: View = {"type": "hold", "id": self._id(), "occurred_at": self._ago(0), "member": f"card:{card}"}
        body |= {} if minutes is None else {"lasts": f"PT{minutes}M"}
        await self._send(body | {"points": self._part(card, percent)})

    async def _placed(self, number: int, who: int) -> View | None:
        """A hold, a new one where there is none yet."""
        if self._sent_before("hold", number) is None:
            await self._hold(who, 50, 50)
        return self._sent_before("hold", number)

    async def _capture(self, number: int, percent: int, final: bool, who: int) -> None:
        """So much of a hold, or a point too many, and perhaps not the last time; sometimes by somebody else."""
        placed = await self._placed(number, who)
        if placed is None:
            return
        body: View = {"type": "capture", "id": self._id(), "occurred_at": self._ago(0), "hold": placed["id"]}
        body |= {"member": f"card:{self._holder(placed, number, who)}"} | ({} if final else {"final": False})
        if percent != 100:
            held = self.model.members[card_of(placed)].holds[placed["id"]].held()
            body["points"] = max(1, held * percent // 100 if percent <= 100 else held + 1)
        await self._send(body)

    async def _release(self, number: int, who: int) -> None:
        """A hold is given up, or what is none."""
        placed = await self._placed(number, who)
        if placed is None:
            return
        named = placed["id"] if number % 10 != 9 else "nothing"
        body = {"type": "release", "id": self._id(), "occurred_at": self._ago(0), "hold": named}
        await self._send(body | {"member": f"card:{self._holder(placed, number, who)}"})

    async def _pay(self, number: int, cents: int, percent: int, who: int) -> None:
        """A sale of which a hold pays so much; of a basket, where the number is odd."""
        placed = await self._placed(number, who)
        if placed is None:
            return
        body: View = {"type": "purchase", "id": self._id(), "occurred_at": self._ago(0), "currency": "EUR"}
        body |= {"member": {"identity": f"card:{self._holder(placed, number, who)}", "enrol": True}}
        lines = [{"sku": "coffee", "quantity": "2", "amount": "5.00"}, {"amount": _money(cents)}]
        body |= {"lines": lines} if number % 2 else {"total": _money(cents)}
        paid = {"kind": "points", "amount": _money(cents * percent // 100), "hold": placed["id"]}
        await self._send(body | {"payments": [{"kind": "card", "amount": "0.01"}, paid]})

    def _holder(self, placed: View, number: int, who: int) -> str:
        """Whose hold it is, but for one time in seven somebody's."""
        return card_of(placed) if number % 7 != 6 else sorted(self.ids)[who % len(self.ids)]

    async def _park(self, who: int, kind: str, percent: int, hours_late: float) -> None:
        """A return or cancellation of what has not come."""
        if self.ids:
            card = sorted(self.ids)[who % len(self.ids)]
            self.promised.append(("purchase" if kind == "return" else kind, f"{self._id()}-promised", card))
            await self._take_back(kind, *self.promised[-1][1:], percent, hours_late)

    async def _park_another(self, number: int, kind: str, percent: int, hours_late: float) -> None:
        """One more of a purchase that has not come."""
        if missing := [x for x in self._missing() if x[0] == "purchase"]:
            await self._take_back(kind, *missing[-1 - number % len(missing)][1:], percent, hours_late)

    async def _take_back(self, kind: str, named: str, card: str, percent: int, hours_late: float) -> None:
        body: View = {"id": self._id(), "occurred_at": self._ago(hours_late), "member": f"card:{card}"}
        part: View = {}
        if kind == "return":
            part = {"all": True} if percent == 100 else {"amount": "20.00", "currency": "EUR"}
            await self._send({"type": "return", **body, "purchase": named, **part})
        else:
            part = {"points": 1} if kind in ("redemption", "capture") and percent != 100 else {}
            await self._send({"type": "cancellation", **body, "event": named, "kind": kind, **part})

    def _missing(self) -> list[tuple[str, str, str]]:
        """What was taken back, and has not come."""
        return [x for x in self.promised if x[:2] not in self.model.recorded]

    async def _come(self, number: int, who: int, cents: int, hours_late: float) -> None:
        """What was taken back before comes at last, one time in seven of somebody's."""
        missing = self._missing()
        if not missing:
            return
        kind, id, card = missing[-1 - number % len(missing)]
        card = card if number % 7 != 6 else sorted(self.ids)[who % len(self.ids)]
        body: View = {"type": kind, "id": id, "occurred_at": self._ago(0), "member": f"card:{card}"}
        if kind == "purchase":
            body |= {"occurred_at": self._ago(hours_late), "currency": "EUR", "total": _money(cents)}
            body |= {"member": {"identity": f"card:{card}", "enrol": True}}
            self.spread.add(id)
        elif kind == "activity":
            body |= {"activity": "survey"}
        elif kind == "capture":
            placed = self._sent_before("hold", number)
            body |= {"hold": "nothing" if placed is None else placed["id"]}
        else:
            body |= {"points": self._part(card, 50)}
        await self._send(body)

    async def _mistake(self, number: int, kind: str, who: int) -> None:
        """An id of ours that nothing has, a shop's that may still come, or another member's purchase."""
        sold = self._sent_before("purchase", number)
        others = sorted(card for card in self.ids if sold is not None and card != card_of(sold))
        if sold is None or not others:
            return
        body = {"type": kind, "id": self._id(), "occurred_at": self._ago(0)}
        body |= {"member": f"card:{others[who % len(others)]}"}
        named = (f"{body['id']}-lost", sold["id"], "evt_01jcr8m4kdf0v8y5h3q2z7x9wb")[number % 3]
        said = {"purchase": named, "all": True} if kind == "return" else {"event": named, "kind": "purchase"}
        await self._send(body | said)

    async def _misname(self, number: int, kind: str, said: str) -> None:
        """Something of one kind by our id, as if it were of another."""
        named = self._sent_before(kind, number)
        if named is None:
            return
        body: View = {"type": "cancellation", "id": self._id(), "occurred_at": self._ago(0), "ours": kind}
        body |= {"member": f"card:{card_of(named)}", "event": named["id"], "kind": said}
        await self._send(body)

    def _sent_before(self, kind: str, number: int) -> View | None:
        """A recorded body of a kind, by its number from the last one back."""
        said = [x for x in self.sent if x["type"] == kind and (kind, x["id"]) in self.model.recorded]
        return said[-1 - number % len(said)] if said else None

    async def _offline(self, who: int, percent: int, hours_late: float) -> None:
        """So much of what a member has ever got, of some time ago, by a till that had no network then."""
        if not self.ids:
            return
        card = sorted(self.ids)[who % len(self.ids)]
        body: View = {"type": "redemption", "id": self._id(), "occurred_at": self._ago(hours_late), "offline": True}
        had = sum(x.credited for x in self.model.members[card].lots) // 2
        await self._send(body | {"member": f"card:{card}", "points": max(1, had * percent // 100)})

    async def _redeem(self, who: int, percent: int) -> None:
        """So much of what a member has, or a point too many; of somebody unknown only where nobody is known."""
        card = sorted(self.ids)[who % len(self.ids)] if self.ids else self._card(who)
        body: View = {"type": "redemption", "id": self._id(), "occurred_at": self._ago(0), "member": f"card:{card}"}
        await self._send(body | {"points": self._part(card, percent)})

    def _part(self, card: str, percent: int) -> int:
        """So much of what a member can spend, or a point too many."""
        member = self.model.members.get(card)
        available = 0 if member is None else model.view(member, self.clock())["points"]["available"]
        return max(1, available * percent // 100 if percent <= 100 else available + 1)

    async def _again(self, number: int) -> None:
        """The same event again: a replay, or a new attempt at what was refused."""
        if self.sent:
            await self._send(self.sent[number % len(self.sent)])

    async def _otherwise(self, number: int) -> None:
        """The same id with other content."""
        if self.sent:
            body = self.sent[number % len(self.sent)]
            later = (datetime.fromisoformat(body["occurred_at"]) - SECOND).isoformat()
            await self._send({**body, "occurred_at": later})

    async def _send(self, body: View) -> None:
        if body not in self.sent:
            self.sent.append(body)
        expected = self.model.send(body, self.clock())
        answer = await self._post(body)
        assert answer.status_code == expected.status, (body, answer.text)
        key, said = (body["type"], body["id"]), answer.json()
        if expected.problem is not None:
            assert {name: said[name] for name in expected.problem} == expected.problem, body
        elif expected.status == 202:
            assert said["lapses_at"] == expected.lapses_at
        elif body["type"] == "enrolment":
            self._learn(card_of(body), said)
            assert said["id"] == self.answers.setdefault(key, said)["id"]
        else:
            assert _event(said) == expected.event
            assert said == self.answers.setdefault(key, said)
            if expected.status == 201 and "points" in said["accounts"] and not expected.brought:
                now = model.view(self.model.members[card_of(body)], self.clock())
                for name in ("available", "held", "deficit"):
                    assert said["accounts"]["points"][name] == now["points"][name], name
            if card_of(body) not in self.ids:
                await self._look_up(card_of(body))
        cards = {card for card in (card_of(body), body.get("friend")) if card in self.ids}
        await self._compare(cards, EVERYTHING if expected.status == 201 else ("points",))

    async def _post(self, body: View) -> httpx.Response:
        if "ours" in body:
            ours = self.answers[body["ours"], body["event"]]["id"]
            body = {name: value for name, value in body.items() if name != "ours"} | {"event": ours}
        if body["type"] != "enrolment":
            return await self.service.send(body)
        said = {name: value for name, value in body.items() if name not in ("type", "friend")}
        code = {"referral_code": self.codes[body["friend"]]} if "friend" in body else {}
        return await self.service.send(said | code, path="/v1/members")

    async def _look_up(self, card: str) -> View:
        answer = await self.service.send({"member": f"card:{card}"}, path="/v1/members/lookup")
        assert answer.status_code == 200, answer.text
        self._learn(card, answer.json())
        return dict(answer.json())

    def _learn(self, card: str, member: View) -> None:
        self.ids[card], self.codes[card] = member["id"], member["referral_code"]

    async def _compare(self, cards: Any, parts: Sequence[str] = EVERYTHING) -> None:
        pairs = [(card, part) for card in sorted(cards) for part in parts]
        found = await asyncio.gather(*(getattr(self, f"_seen_{part}")(card) for card, part in pairs))
        for (card, part), seen in zip(pairs, found, strict=True):
            expected = model.view(self.model.members[card], self.clock())[part]
            if part == "events":  # those since they were last compared, and the one before
                news = self.compared.get(card, 0) - len(expected) - 1
                self.compared[card] = len(expected)
                seen, expected = seen[news:], expected[news:]
            assert seen == expected, (card, part)

    async def _compare_parked(self) -> None:
        """What waits, and how long."""
        self.model.lapse(self.clock())
        for card in sorted(self.ids):
            answer = await self.service.client.get(f"/v1/parked?limit=200&member={self.ids[card]}")
            assert answer.status_code == 200, answer.text
            # What has lapsed is listed until the worker writes it down, although nothing awaits it (semantics E4).
            now = model.text(self.clock())
            waiting = [one for one in answer.json()["parked"] if one["lapses_at"] > now]
            seen = {(one["type"], one["source_id"]): one["lapses_at"] for one in waiting}
            mine = {key: x for key, x in self.model.parked.items() if card_of(x.body) == card}
            assert seen == {key: model.text(x.lapses_at) for key, x in mine.items()}, card

    async def _seen_points(self, card: str) -> View:
        units = (await self._read(card, "balance"))["units"]
        names = ("balance", "available", "pending", "held", "deficit")
        expiring = [(day["expires_at"], day["points"]) for day in units["points"]["expiring"]]
        return {
            **{name: units["points"][name] for name in names},
            "expiring": expiring,
            "spent": units["spent"]["balance"],
        }

    async def _seen_tier(self, card: str) -> tuple[Any, ...]:
        (tier,) = (await self._read(card, "tier"))["tiers"]
        return (tier["tier"], tier["since"], tier["qualifying"], tier["needed"])

    async def _seen_lots(self, card: str) -> list[tuple[Any, ...]]:
        # Not `reserved`: this page says 0 whatever holds keep (semantics L3, L12).
        names = ("sequence", "credited", "remaining", "occurred_at", "expires_at", "state")
        return [tuple(lot[name] for name in names) for lot in (await self._read(card, "lots?limit=200"))["lots"]]

    async def _seen_events(self, card: str) -> list[View]:
        new = len(self.model.members[card].events) - self.compared.get(card, 0)
        statement = await self._read(card, f"statement?limit={new + 2}")
        return [_event(event) for event in reversed(statement["events"])]

    async def _seen_referral(self, card: str) -> str:
        return str((await self._look_up(card))["referral"])

    async def _read(self, card: str, page: str) -> View:
        answer = await self.service.client.get(f"/v1/members/{self.ids[card]}/{page}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def _id(self) -> str:
        return f"{self.prefix}{len(self.sent)}"

    def _card(self, who: int) -> str:
        return f"{self.prefix}{who}"

    def _ago(self, hours: float) -> str:
        return (self.clock() - timedelta(hours=hours)).isoformat()


def _event(event: View) -> View:
    """An event of an answer in the model's words."""
    entries = [
        (
            entry["unit"],
            entry["points"],
            entry["balance_after"],
            entry["expires_at"],
            [(draw["sequence"], draw["points"]) for draw in entry["draws"]],
        )
        for entry in event["entries"]
    ]
    changes = [(change["before"], change["tier"]) for change in event["tier_changes"]]
    return {
        "sequence": event["sequence"],
        "kind": event["type"],
        "effective_at": event["effective_at"],
        "entries": entries,
        "change": changes[0] if changes else None,
        "flags": event["flags"],
        "owed": event["accounts"]["points"]["deficit"] if any(entry[0] == "points" for entry in entries) else None,
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
