"""Events over HTTP: recorded once, explained, refused with facts."""

from tests.builders import Service, purchase


async def test_a_purchase_earns_a_point_per_euro(service: Service) -> None:
    answer = await service.buy("12.50")

    assert answer.status_code == 201
    assert answer.json()["entries"][0]["points"] == 12
    assert answer.headers["Location"] == f"/v1/events/{answer.json()['id']}"


async def test_the_same_event_again_answers_the_same_and_writes_nothing(service: Service) -> None:
    first = await service.send(purchase("12.50"))

    again = await service.send(purchase("12.50"))

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    stored = await service.client.get(first.headers["Location"])
    left = {"amount": "12.50", "lines": [{"id": "1", "quantity": "1", "amount": "12.50"}]}
    assert stored.json() == {**first.json(), "left": left}
