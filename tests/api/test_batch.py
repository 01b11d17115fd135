"""Batches: each event its own outcome, in the order they occurred, sent again whenever in doubt."""

from datetime import timedelta
from typing import Any

import asyncpg

from app.domain.scopes import Scope
from app.settings import Settings
from tests.api.test_dry_run import redemption
from tests.builders import START, Service, key_for, purchase
from tests.database import assert_whole, count, picture

BATCH = "/v1/events/batch"


async def results(service: Service, events: list[Any], *, query: str = "") -> list[dict[str, Any]]:
    """What became of each event."""
    answer = await service.send({"events": events}, path=BATCH + query)
    assert answer.status_code == 207, answer.text
    return list(answer.json()["results"])


async def test_one_bad_event_never_blocks_the_others(service: Service, owner: asyncpg.Connection) -> None:
    await service.buy("10.00", id="old")
    used = purchase("10.00", id="old", at=START)

    found = await results(
        service,
        [
            purchase("1.00", id="new"),
            used,
            {**used, "total": "11.00"},
            redemption(1_000),
            {"type": "purchase", "id": "short"},
            {**purchase(id="typo"), "totl": "1.00"},
            {**purchase(id="stranger"), "member": "card:9999"},
            {**purchase(id="dollars"), "currency": "USD"},
            purchase("2.00", id="also-new"),
            purchase("1.00", id="new"),
        ],
    )

    assert [one["outcome"] for one in found] == [
        "created", "replayed", "refused", "refused", "refused", "refused", "refused", "refused", "created", "replayed",
    ]  # fmt: skip
    assert [one["problem"]["code"] for one in found if one["outcome"] == "refused"] == [
        "event_id_reused", "insufficient_points", "invalid", "invalid", "unknown_member", "unlisted_currency",
    ]  # fmt: skip
    assert {"pointer": "/totl", "message": "this field is not known here", "suggestion": "total"} in found[5][
        "problem"
    ]["errors"]
    assert found[3]["problem"]["available"] == 11
    assert found[0]["event"] == found[9]["event"]
    assert await count(owner, "event", "kind = 'purchase'") == 3
    await assert_whole(owner)


async def test_a_batch_sent_again_is_replayed_and_writes_nothing(service: Service, owner: asyncpg.Connection) -> None:
    events = [purchase(f"{number}.00", id=f"p{number}", card=str(number % 3)) for number in range(1, 20)]
    first = await results(service, events)
    before = await picture(owner)

    again = await results(service, events)

    assert {one["outcome"] for one in again} == {"replayed"}
    assert [one["event"] for one in again] == [one["event"] for one in first]
    assert await picture(owner) == before


async def test_an_event_of_a_batch_may_be_retried_alone(service: Service) -> None:
    (one,) = await results(service, [purchase()])

    alone = await service.send(purchase())

    assert (alone.status_code, alone.json()["id"]) == (200, one["event"]["id"])


async def test_a_batch_is_judged_by_when_events_occurred(service: Service) -> None:
    earlier = (START - timedelta(hours=1)).isoformat()
    events = [redemption(10), {**purchase("10.00", id="p1"), "occurred_at": earlier}]

    found = await results(service, events)

    assert [one["outcome"] for one in found] == ["created", "created"]
    assert [one["event"]["sequence"] for one in found] == [3, 2]


async def test_history_is_judged_as_it_was_sent(service: Service) -> None:
    old = (START - timedelta(days=400)).isoformat()
    older = (START - timedelta(days=500)).isoformat()
    events = [
        {**purchase("10.00", id="p1", history=True), "occurred_at": old},
        {**purchase("10.00", id="p2", history=True), "occurred_at": older},
    ]

    found = await results(service, events)

    assert [one["event"]["sequence"] for one in found] == [2, 3]


async def test_an_enrolment_in_a_batch_counts_for_what_follows(service: Service) -> None:
    enrolment = {
        "type": "enrolment",
        "id": "e1",
        "occurred_at": (START - timedelta(minutes=1)).isoformat(),
        "identities": {"card": "7"},
    }
    bought = {**purchase(id="p1"), "member": "card:7"}

    found = await results(service, [bought, enrolment])

    assert [one["outcome"] for one in found] == ["created", "created"]
    assert found[0]["event"]["member"] == found[1]["event"]["member"]


async def test_batches_explain_themselves_only_when_asked(service: Service) -> None:
    (silent,) = await results(service, [purchase(id="p1")])
    (telling,) = await results(service, [purchase(id="p2")], query="?explain=true")
    (replayed,) = await results(service, [purchase(id="p1")], query="?explain=true")

    assert "explanation" not in silent["event"]
    assert "receipt" not in silent["event"]
    assert telling["event"]["explanation"] == [{"rule": "base", "unit": "points", "step": "rate", "points": "10"}]
    assert all(len(line) <= 40 for line in telling["event"]["receipt"])
    assert replayed["event"]["explanation"] == telling["event"]["explanation"]


async def test_five_hundred_events_fit_and_one_more_does_not(service: Service, owner: asyncpg.Connection) -> None:
    events = [purchase("1.00", id=f"p{number}", card=str(number % 50)) for number in range(501)]

    fits = await results(service, events[:500])
    before = await picture(owner)
    too_many = await service.send({"events": events}, path=BATCH)

    assert {one["outcome"] for one in fits} == {"created"}
    problem = too_many.json()
    assert (too_many.status_code, problem["code"], problem["limit"]) == (422, "batch_too_large", 500)
    assert await picture(owner) == before
    assert await assert_whole(owner) == 550


async def test_an_empty_batch_is_refused(service: Service) -> None:
    answer = await service.send({"events": []}, path=BATCH)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/events")


async def test_an_item_that_is_no_object_is_refused_at_its_place(service: Service) -> None:
    found = await results(service, [5, purchase(), None, [], "x"])

    assert [one["outcome"] for one in found] == ["refused", "created", "refused", "refused", "refused"]
    for one in (found[0], *found[2:]):
        assert (one["problem"]["code"], one["problem"]["errors"][0]["pointer"]) == ("invalid", "")


async def test_history_needs_its_scope_and_knows_no_late_limit(service: Service, settings: Settings) -> None:
    late = {**purchase(id="p1"), "occurred_at": "2020-01-01T09:00:00Z"}
    past = {**late, "history": True}
    without = await key_for(settings, scopes=tuple(set(Scope) - {Scope.EVENTS_HISTORY}))

    refused = await service.send(past, headers={"Authorization": f"Bearer {without}"})
    too_late = await service.send(late)
    taken = await service.send(past)

    assert (refused.status_code, refused.json()["code"]) == (403, "history_scope")
    assert (too_late.status_code, too_late.json()["code"]) == (422, "too_late")
    assert (taken.status_code, taken.json()["occurred_at"]) == (201, "2020-01-01T09:00:00Z")


async def test_history_tells_nobody_unless_asked(service: Service, owner: asyncpg.Connection) -> None:
    past = {**purchase(id="p1", card="1", history=True), "occurred_at": "2020-01-01T09:00:00Z"}
    told = {**past, "id": "p2", "member": {"identity": "card:2", "enrol": True}, "messages": True}

    await service.send(past)
    silent = await count(owner, "message")
    await service.send(told)
    reused = await service.send({**past, "messages": True})

    assert silent == 0
    assert await count(owner, "message") == 2
    assert (reused.status_code, reused.json()["code"]) == (422, "event_id_reused")


async def test_messages_without_history_are_refused(service: Service) -> None:
    answer = await service.send(purchase(messages=True))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/messages")
