"""A purchase changed down and up again: points that paid for it, and holds that a change names (semantics R8, R4)."""

from typing import Any

from app.domain.books import Moved
from tests.api.test_holds import account, held, paid_by
from tests.api.test_returns import books, cancelled, proven, returned
from tests.builders import START, Service, at


def changed(total: str, *, revision: int, **more: Any) -> dict[str, Any]:
    """The body of a change of the purchase p2."""
    body = {"type": "purchase_change", "id": f"c{revision}", "member": "card:1001", "purchase": "p2"}
    return {**body, "occurred_at": at(START), "revision": revision, "currency": "EUR", "total": total, **more}


async def test_points_that_came_back_with_goods_are_not_taken_again_with_others(service: Service) -> None:
    """Semantics R8, R4, R6: 40 points paid 5.00 of 15.00; nothing of it is left, then all, then nothing again."""
    await service.buy("100.00", id="p1")
    await service.send(held(40))
    await service.buy("15.00", id="p2", payments=paid_by("h1"))
    assert await account(service) == (70, 70, 0, 0)

    down = await service.send(changed("0.00", revision=1))
    assert [entry["points"] for entry in down.json()["entries"]] == [40, -10]
    assert await account(service) == (100, 100, 0, 0)
    up = await service.send(changed("15.00", revision=2, payments=paid_by("h1")))
    assert [entry["points"] for entry in up.json()["entries"]] == [10]
    assert up.json()["flags"] == []
    assert await account(service) == (110, 110, 0, 0)
    back = await service.send(returned("p2"))

    assert [entry["points"] for entry in back.json()["entries"]] == [-10]
    assert await account(service) == (100, 100, 0, 0)
    (trial,) = await books(service)
    assert trial.moved == Moved(issued=120, reversed=20)
    assert await proven(service) == []


async def test_a_change_captures_no_hold_and_says_so(service: Service) -> None:
    """Semantics R8, A1: the hold stands, and can be captured by itself."""
    await service.buy("100.00", id="p1")
    await service.buy("15.00", id="p2")
    await service.send(held(40))

    change = await service.send(changed("20.00", revision=1, payments=paid_by("h1")))

    assert change.json()["flags"] == ["hold_not_captured"]
    assert change.json()["explanation"][-1]["step"] == "not_captured"
    assert (await account(service))[2] == 40
    assert await proven(service) == []


async def test_points_of_a_change_come_back_as_old_as_their_purchase(service: Service) -> None:
    """Semantics L5, L8, L15: 10 of the purchase, 5 of its change, and only then 10 of what was bought in between."""
    await service.buy("10.00", id="p2")
    service.clock.forward(hours=1)
    await service.buy("10.00", id="p3")
    service.clock.forward(hours=1)
    change = await service.send({**changed("15.00", revision=1), "occurred_at": at(service.clock.now)})
    await service.redeem(25, id="all")
    await service.send(cancelled("all", id="undo"))

    spent = (await service.redeem(12)).json()["entries"][0]

    assert [draw["points"] for draw in spent["draws"]] == [10, 2]
    assert spent["draws"][1]["sequence"] == change.json()["sequence"]
    assert await proven(service) == []


def kept(total: str, *, revision: int) -> dict[str, Any]:
    """The body of a purchase as it is kept."""
    who = {"identity": "card:1001", "enrol": True}
    return {"revision": revision, "member": who, "occurred_at": at(START), "currency": "EUR", "total": total}


async def test_a_revision_below_the_first_that_came_changes_nothing(service: Service) -> None:
    """Semantics R8: the second state of the order came first, and the first one late."""
    path = "/v1/purchases/till/order-1"
    await service.client.put(path, json=kept("20.00", revision=2))

    late = await service.client.put(path, json=kept("50.00", revision=1))
    same = await service.client.put(path, json=kept("60.00", revision=2))

    assert [one.json()["flags"] for one in (late, same)] == [["stale_revision"]] * 2
    assert [one.json()["entries"] for one in (late, same)] == [[], []]
    assert await account(service) == (20, 20, 0, 0)
    above = await service.client.put(path, json=kept("50.00", revision=3))
    assert [entry["points"] for entry in above.json()["entries"]] == [30]
    assert await proven(service) == []


async def test_a_revision_that_states_the_same_again_counts(service: Service) -> None:
    """Semantics R8: what the third revision says holds against a second one that comes late."""
    path = "/v1/purchases/till/order-1"
    await service.client.put(path, json=kept("20.00", revision=1))

    again = await service.client.put(path, json=kept("20.00", revision=3))
    late = await service.client.put(path, json=kept("90.00", revision=2))

    assert (again.status_code, again.json()["type"], again.json()["entries"]) == (201, "purchase_change", [])
    assert late.json()["flags"] == ["stale_revision"]
    assert await account(service) == (20, 20, 0, 0)
    assert await proven(service) == []


async def test_an_order_number_with_a_slash_is_kept_by_its_path(service: Service) -> None:
    """Api C1: ids of shops are any printable ASCII."""
    for written in ("2026/00123", "2026%2F00123"):
        answer = await service.client.put(f"/v1/purchases/till/{written}", json=kept("20.00", revision=1))

        assert answer.json()["source_id"] == "2026/00123"
    assert (answer.status_code, await account(service)) == (200, (20, 20, 0, 0))


async def test_the_longest_id_of_a_purchase_leaves_room_for_the_longest_revision(service: Service) -> None:
    """Api C1: a change is an event of its own, `<id>:<revision>`, whose id is 128 characters at most."""
    id = "o" * 120
    path = f"/v1/purchases/till/{id}"
    await service.client.put(path, json=kept("20.00", revision=1))

    changed = await service.client.put(path, json=kept("50.00", revision=1_000_000))
    longer = await service.client.put(f"{path}o", json=kept("20.00", revision=1))

    assert (changed.status_code, changed.json()["source_id"]) == (201, f"{id}:1000000")
    assert (longer.status_code, longer.json()["errors"][0]["pointer"]) == (422, "/id")
