"""Open lots that a process remembers: never other ones than the database has (architecture §6)."""

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.cli import verify
from app.domain.state import MemberState, OpenLot
from app.ledger.known_lots import KnownLots
from app.settings import Settings
from tests.builders import EXPIRING, START, Clock, Service, open_service, publish, purchase

MEMBER, OTHER = b"m" * 16, b"o" * 16
LOADED, EARLIER, LATER = b"1" * 32, b"0" * 32, b"2" * 32
STEPS = 60


def lot(sequence: int) -> OpenLot:
    return OpenLot(sequence, 0, "points", 10, 10, START, START, None)


def looked_at(*lots: OpenLot, id: bytes = MEMBER, head: bytes = LOADED) -> MemberState:
    return MemberState(id=id, head=head, lots=lots, lots_loaded=True)


def not_looked_at(*opened: OpenLot, head: bytes) -> MemberState:
    return MemberState(id=MEMBER, head=head, lots=opened, lots_loaded=False)


def test_lots_are_known_as_long_as_the_head_is_where_it_was() -> None:
    known = KnownLots()
    known.keep([looked_at(lot(1))], before={MEMBER: EARLIER})

    found = known.of([not_looked_at(head=LOADED)])
    assert found == {MEMBER: looked_at(lot(1))}
    assert known.of([not_looked_at(head=LATER)]) == {}


def test_lots_opened_since_come_on_top_of_those_that_are_known() -> None:
    known = KnownLots()
    known.keep([looked_at(lot(1))], before={})
    known.keep([not_looked_at(lot(2), head=LATER)], before={MEMBER: LOADED})

    assert known.of([not_looked_at(head=LATER)])[MEMBER].lots == (lot(1), lot(2))


def test_lots_of_another_head_are_forgotten_where_only_the_new_ones_are_there() -> None:
    known = KnownLots()
    known.keep([looked_at(lot(1), head=EARLIER)], before={})
    known.keep([not_looked_at(lot(2), head=LATER)], before={MEMBER: LOADED})

    assert known.of([not_looked_at(head=LATER), not_looked_at(head=EARLIER)]) == {}


def test_those_not_asked_for_the_longest_are_forgotten_first() -> None:
    known = KnownLots(most=5)
    known.keep([looked_at(lot(1)), looked_at(lot(1), id=OTHER)], before={})
    known.keep([looked_at(lot(1))], before={})
    known.keep([looked_at(lot(1), lot(2), id=b"n" * 16)], before={})

    assert known.of([looked_at(id=OTHER)]) == {}
    assert known.of([looked_at()]) == {MEMBER: looked_at(lot(1))}


@pytest.fixture
async def two(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Service, Service]]:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        yield one, other


@pytest.mark.parametrize("seed", range(3))
async def test_two_processes_that_remember_draw_from_what_is_there(
    two: tuple[Service, Service], settings: Settings, clock: Clock, seed: int
) -> None:
    """Each event falls to either of them, so either one's lots are those of before the other's (semantics L5)."""
    chance = random.Random(seed)
    done: defaultdict[str, list[str]] = defaultdict(lambda: ["none"])
    answers: Counter[tuple[str, int]] = Counter()
    for n in range(STEPS):
        clock.forward(hours=chance.choice([1, 30]))
        kind = chance.choice(["purchase", "purchase", "redemption", "hold", "capture", "return"])
        body: dict[str, Any] = {"type": kind, "id": f"e{n}", "member": "card:1001", "occurred_at": clock().isoformat()}
        match kind:
            case "purchase":
                body = purchase(f"{chance.randint(5, 60)}.00", id=f"e{n}", at=clock())
            case "redemption":
                body["points"] = chance.randint(1, 40)
            case "hold":
                body |= {"points": chance.randint(1, 20), "lasts": "P7D"}
            case "capture":
                body |= {"hold": done["hold"][-1], "points": 1, "final": False}
            case "return":
                body |= {"purchase": chance.choice(done["purchase"]), "all": True}
        answer = await chance.choice(two).send(body)
        answers[kind, answer.status_code] += 1
        if answer.status_code == 201:
            done[kind].append(body["id"])

    assert all(answers[kind, 201] for kind in ("purchase", "redemption", "hold", "capture", "return")), answers
    assert await verify.run(settings) == []
