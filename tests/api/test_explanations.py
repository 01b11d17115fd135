"""Explanations in words, for whoever asks for a language; the same first and later."""

from typing import Any

import pytest

from app.settings import Settings
from tests.builders import LADDER, Clock, Service, open_service, publish

LINES = [{"quantity": "2", "amount": "8.50", "categories": ["coffee"]}]


@pytest.fixture
async def shop(settings: Settings, clock: Clock) -> Any:
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        await service.buy("200.00", id="first")
        clock.forward(minutes=1)
        yield service


async def coffee(shop: Service, query: str = "", *, id: str = "c1", **headers: str) -> dict[str, Any]:
    body = {
        "type": "purchase", "id": id, "member": "card:1001", "occurred_at": shop.clock.now.isoformat(),
        "currency": "EUR", "total": "8.50", "lines": LINES,
    }  # fmt: skip
    answer = await shop.send(body, path=f"/v1/events{query}", headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


ENGLISH = "2 × 4.25 coffee at 1 per 1.00 = 8.5; silver ×1.25 = 10.6; rounded down: 10"
DUTCH = "2 × 4,25 coffee, 1 per 1,00 = 8,5; silver ×1,25 = 10,6; naar beneden afgerond: 10"


@pytest.mark.parametrize(
    ("query", "header", "summary"),
    [
        ("?language=nl", "en", DUTCH),
        ("?language=en", "nl", ENGLISH),
        ("", "nl-BE, en;q=0.8", DUTCH),
        ("", "fr, nl;q=0.2, en;q=0.7", ENGLISH),
        ("", "fr;q=1, nl;q=0, en;q=zero", None),
        ("", "fr", None),
        ("", "", None),
    ],
)
async def test_words_come_in_the_language_that_was_asked_for(
    shop: Service, query: str, header: str, summary: str | None
) -> None:
    event = await coffee(shop, query, **({"Accept-Language": header} if header else {}))

    assert event.get("summary", {}).get("points") == summary
    assert all(("text" in step) == (summary is not None) for step in event["explanation"])
    assert all(len(line) <= 40 for line in event["receipt"])


async def test_a_later_read_a_replay_a_dry_run_and_a_batch_say_the_same(shop: Service) -> None:
    dry = await coffee(shop, "?language=nl&dry_run=true")
    first = await coffee(shop, "?language=nl")

    again = await coffee(shop, "?language=nl")
    read = (await shop.client.get(f"/v1/events/{first['id']}?language=nl")).json()
    found = (await shop.client.get("/v1/events?source=till&id=c1&language=nl")).json()["events"][0]
    sent = {"events": [{"type": "activity", "id": "x", "member": "card:1001", "activity": "survey",
                        "occurred_at": shop.clock.now.isoformat()}]}  # fmt: skip
    batch = (await shop.send(sent, path="/v1/events/batch?explain=true&language=nl")).json()["results"][0]["event"]

    assert read.pop("left") == found.pop("left")
    assert first == again == read == found
    assert (dry["summary"], dry["receipt"]) == (first["summary"], first["receipt"])
    assert "Money spent te besteden: 208,50" in first["receipt"]
    assert batch["summary"] == {}


async def test_an_unknown_language_is_refused_by_name(shop: Service) -> None:
    answer = await shop.send({"events": [{}]}, path="/v1/events/batch?language=fr")

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_query")
    assert answer.json()["errors"][0]["pointer"] == "/language"


async def test_of_a_purchase_that_comes_back_is_told_what_was_given_and_what_is_left(shop: Service) -> None:
    await coffee(shop)
    back = {"type": "return", "id": "b", "member": "card:1001", "purchase": "c1", "all": True}

    answer = await shop.send({**back, "occurred_at": shop.clock.now.isoformat()}, path="/v1/events?language=en")

    assert answer.json()["summary"]["points"] == "given until now: 10; for what is left: 0"
