"""The client of the bench of delivery: it times every answer and webhook, and counts what was refused."""

import json
import time
from collections import Counter

import pytest

from app.bench import offering, shops
from app.bench.offering import Offer, Watch
from app.bench.shops import Reply


def event(id: str, number: int) -> bytes:
    return json.dumps({"id": id, "number": number}).encode()


def told(body: bytes) -> bytes:
    """The webhook about an event."""
    return json.dumps({"data": {"id": json.loads(body)["id"]}}).encode()


async def test_each_answer_and_webhook_is_timed() -> None:
    watch = Watch()

    def record(body: bytes) -> Reply:
        watch.take(told(body))
        return Reply(b"201 Created", after=0.05)

    async with shops.open_shop(record) as port:
        offered = await offering.make(Offer(port, "key", "t", 100, 0.2, event), watch)

    assert len(offered.answers) == len(offered.webhooks) == 20
    assert 0.05 <= min(offered.answers) < offering.ANSWER_SECONDS
    assert max(offered.webhooks) < max(offered.answers)
    assert offered.refused == Counter()


async def test_what_is_refused_is_counted_by_its_status() -> None:
    async with shops.open_shop(lambda _: Reply(b"503 Full")) as port:
        offered = await offering.make(Offer(port, "key", "t", 100, 0.1, event), Watch())

    assert (offered.answers, offered.refused) == ([], Counter({"503": 10}))


async def test_a_shop_that_never_answers_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offering, "ANSWER_SECONDS", 0.2)
    started = time.monotonic()
    async with shops.open_shop(lambda _: Reply(after=None)) as port:
        offered = await offering.make(Offer(port, "key", "t", 100, 0.1, event), Watch())

    assert offered.refused == Counter({"TimeoutError": 10})
    assert time.monotonic() - started < 10
