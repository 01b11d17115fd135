"""Lists in pages: opaque cursors, nothing skipped or repeated while others write."""

from typing import Any

import httpx

from app.settings import Settings
from tests.builders import EXPIRING, PROGRAM, Clock, Service, key_for, open_service, publish


async def pages(client: httpx.AsyncClient, path: str, *, limit: int, between: Any = None) -> list[list[Any]]:
    """Every page of a list, walked to its end; `between` runs after each page."""
    found: list[list[Any]] = []
    cursor: str | None = None
    while True:
        asked = {"limit": limit} | ({"cursor": cursor} if cursor is not None else {})
        answer = await client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        (rows,) = [value for name, value in answer.json().items() if name != "next_cursor"]
        found.append(rows)
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found
        if between is not None:
            await between()


async def history_of(service: Service, *, purchases: int) -> str:
    """A member with an enrolment and so many purchases; their id."""
    member = await service.enrol()
    for number in range(1, purchases + 1):
        await service.buy(f"{number}.00")
    return str(member["id"])


async def test_a_statement_is_newest_first_and_whole(service: Service) -> None:
    member = await history_of(service, purchases=3)

    (page,) = await pages(service.client, f"/v1/members/{member}/statement", limit=50)

    assert [event["sequence"] for event in page] == [4, 3, 2, 1]
    assert [event["entries"][0]["points"] for event in page[:3]] == [3, 2, 1]
    assert [event["type"] for event in page] == ["purchase"] * 3 + ["enrolment"]
    single = await service.client.get(f"/v1/events/{page[0]['id']}")
    assert {name: value for name, value in single.json().items() if name != "left"} == page[0]


async def test_pages_join_without_a_gap(service: Service) -> None:
    member = await history_of(service, purchases=5)

    for limit in (1, 2, 5, 6, 200):
        found = await pages(service.client, f"/v1/members/{member}/statement", limit=limit)

        assert [event["sequence"] for page in found for event in page] == [6, 5, 4, 3, 2, 1]
        assert all(len(page) == limit for page in found[:-1])


async def test_nothing_is_skipped_or_repeated_while_others_write(service: Service) -> None:
    member = await history_of(service, purchases=6)

    async def buy() -> None:
        await service.buy("1.00")

    found = await pages(service.client, f"/v1/members/{member}/statement", limit=2, between=buy)

    assert [event["sequence"] for page in found for event in page] == [7, 6, 5, 4, 3, 2, 1]


async def test_a_cursor_serves_its_own_list_alone(service: Service, settings: Settings, clock: Clock) -> None:
    member = await history_of(service, purchases=3)
    other = (await service.enrol("1002"))["id"]
    answer = await service.client.get(f"/v1/members/{member}/statement", params={"limit": 1})
    cursor = answer.json()["next_cursor"]
    await publish(settings, clock=clock, program="tea")
    stranger = {"Authorization": f"Bearer {await key_for(settings, program='tea')}"}

    answers = [
        await service.client.get(f"/v1/members/{other}/statement", params={"cursor": cursor}),
        await service.client.get(f"/v1/members/{member}/lots", params={"cursor": cursor}),
        await service.client.get("/v1/webhook-endpoints", params={"cursor": cursor}),
        await service.client.get(f"/v1/members/{member}/statement", params={"cursor": cursor}, headers=stranger),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(400, "malformed_cursor")}


async def test_a_forged_cursor_is_refused(service: Service) -> None:
    member = await history_of(service, purchases=3)
    path = f"/v1/members/{member}/statement"
    cursor = (await service.client.get(path, params={"limit": 1})).json()["next_cursor"]
    flipped = [
        cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(0, len(cursor) - 1, 3)
    ]
    forged = [*flipped, "", "x", "=", "%", "a" * 512, "MQ", "AAAAAAAAAAAAAAAAMQ", "é", "\x00", cursor + cursor, "-1"]

    for text in forged:
        answer = await service.client.get(path, params={"cursor": text})

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_cursor"), text


async def test_an_over_long_cursor_is_refused(service: Service) -> None:
    member = await history_of(service, purchases=1)

    answer = await service.client.get(f"/v1/members/{member}/statement", params={"cursor": "a" * 513})

    assert 400 <= answer.status_code < 500


async def test_a_limit_is_a_plain_number_from_1_to_200(service: Service) -> None:
    member = await history_of(service, purchases=0)

    for limit in ("0", "-1", "201", "1e1", "one", "", "9" * 40, "９" * 2, "1.0", " 5", "+5", "5_0"):
        answer = await service.client.get(f"/v1/members/{member}/statement", params={"limit": limit})

        assert (answer.status_code, answer.json().get("code")) == (422, "malformed_query"), limit


async def test_lots_tell_their_dates_and_their_state_by_the_instant(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        member = await history_of(service, purchases=2)
        path = f"/v1/members/{member}/lots"
        (active,) = await pages(service.client, path, limit=50)
        await service.redeem(1)
        (spent,) = await pages(service.client, path, limit=50)

        clock.forward(days=400)
        (expired,) = await pages(service.client, path, limit=50)

    assert [(lot["credited"], lot["remaining"], lot["state"]) for lot in active] == [(1, 1, "active"), (2, 2, "active")]
    assert active[0]["expires_at"] == "2027-11-21T23:00:00Z"
    assert [(lot["credited"], lot["remaining"]) for lot in spent] == [(2, 2)]
    assert [lot["state"] for lot in expired] == ["expired"]


async def test_lots_come_in_pages(service: Service) -> None:
    member = await history_of(service, purchases=5)

    async def spend() -> None:
        await service.redeem(1)

    found = await pages(service.client, f"/v1/members/{member}/lots", limit=2, between=spend)

    assert [lot["credited"] for page in found for lot in page] == [1, 2, 3, 4, 5]


async def test_a_receipt_is_found_by_its_shop_and_its_own_id(service: Service) -> None:
    bought = await service.buy("5.00", id="same")
    await service.redeem(1, id="same")

    both = await service.client.get("/v1/events", params={"source": "till", "id": "same"})
    one = await service.client.get("/v1/events", params={"source": "till", "id": "same", "kind": "purchase"})
    none = await service.client.get("/v1/events", params={"source": "webshop", "id": "same"})

    assert [event["type"] for event in both.json()["events"]] == ["purchase", "redemption"]
    left = {"amount": "5.00", "lines": [{"id": "1", "quantity": "1", "amount": "5.00"}]}
    assert one.json() == {"events": [{**bought.json(), "left": left}], "next_cursor": None}
    assert none.json() == {"events": [], "next_cursor": None}


async def test_a_search_with_a_wrong_query_is_refused(service: Service) -> None:
    for query in (
        {"source": "\x00", "id": "x"},
        {"source": "till", "id": "a\x00b"},
        {"source": "till", "id": "x", "kind": "\x00"},
        {"source": "till"},
        {"id": "x"},
        {"source": "s" * 65, "id": "x"},
        {"source": "till", "id": "x" * 129},
    ):
        answer = await service.client.get("/v1/events", params=query)

        assert (answer.status_code, answer.json().get("code")) == (422, "malformed_query"), query


async def test_the_program_and_its_rules_can_be_read(service: Service, settings: Settings, clock: Clock) -> None:
    program = (await service.client.get("/v1/program")).json()
    rules = (await service.client.get("/v1/program/rules")).json()
    first = (await service.client.get("/v1/program/rules/1")).json()

    assert (program["code"], program["rules_version"]) == (PROGRAM, 1)
    assert rules == first
    assert rules["document"]["rules"][0]["id"] == "base"
    assert rules["published_by"] == "test"


async def test_a_new_version_is_in_force_for_readers_and_events_and_the_old_one_stays(
    service: Service, settings: Settings, clock: Clock
) -> None:
    clock.forward(hours=1)
    await publish(settings, clock=clock, document=EXPIRING.replace("give: 1", "give: 2"))

    bought = await service.buy("5.00")

    assert (bought.json()["rules_version"], bought.json()["entries"][0]["points"]) == (2, 10)
    assert (await service.client.get("/v1/program/rules")).json()["version"] == 2
    assert (await service.client.get("/v1/program/rules/1")).json()["version"] == 1
    late = await service.buy("5.00", occurred_at="2026-11-21T09:30:00Z")
    assert (late.json()["rules_version"], late.json()["entries"][0]["points"]) == (1, 5)


async def test_a_version_that_is_none_is_not_found(service: Service) -> None:
    for version in ("0", "2", "-1", "9" * 30, "one", "%00", "１", "1_0", "1.0"):
        answer = await service.client.get(f"/v1/program/rules/{version}")

        assert answer.status_code in (404, 422), version
        assert answer.json()["code"] in ("not_found", "malformed_query")
