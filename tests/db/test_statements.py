"""A ratchet on the number of statements: it may fall, and rises only with a reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from app.ledger.corridor import PIECE_COMMANDS
from app.settings import Settings
from tests.builders import EXPIRING, Clock, Service, open_service, publish, purchase

IDLE_EVENT = 5
"""Of one event alone: BEGIN, the lock, one look at everything else, one write, COMMIT."""

IDLE_REDEMPTION = IDLE_EVENT + 1
"""The same, and the open lots."""

REPLAY = IDLE_EVENT + 2
"""No write, but the entries and draws of what was recorded, and what followed on it."""


_INTROSPECTION = ("SELECT current_setting('jit')", "WITH RECURSIVE typeinfo_tree", "SELECT set_config('jit'")
"""How the driver learns a type it meets: once a connection."""


@contextmanager
def statements(service: Service) -> Iterator[list[str]]:
    """Everything the service's pool sends to the database."""
    said: list[str] = []
    watched: list[Any] = []

    def watch(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
        connection = dbapi_connection.driver_connection
        if connection not in watched:
            connection.add_query_logger(note)
            watched.append(connection)

    def note(query: Any) -> None:
        text = " ".join(query.query.split())
        if not text.startswith(_INTROSPECTION):
            said.append(text)

    engine = service.app.state.parts.engine.sync_engine
    event.listen(engine, "checkout", watch)
    try:
        yield said
    finally:
        event.remove(engine, "checkout", watch)
        for connection in watched:
            connection.remove_query_logger(note)


async def test_an_idle_event_takes_no_more_statements_than_it_did(service: Service) -> None:
    await service.enrol()
    await service.buy("10.00")

    with statements(service) as said:
        assert (await service.buy("10.00", id="counted")).status_code == 201
    assert len(said) <= IDLE_EVENT, "\n".join(said)
    assert said[0].startswith("BEGIN")
    assert said[-1].startswith("COMMIT")

    with statements(service) as said:
        assert (await service.redeem(5)).status_code == 201
    assert len(said) <= IDLE_REDEMPTION, "\n".join(said)

    with statements(service) as said:
        assert (await service.buy("10.00", id="counted")).status_code == 200
    assert len(said) <= REPLAY, "\n".join(said)


async def test_a_batch_takes_no_more_statements_than_a_single_event_and_a_write_a_piece(service: Service) -> None:
    await service.buy("10.00", card="0")
    events = [purchase("1.00", id=f"of-many-{number}", card=str(number % 40)) for number in range(200)]

    with statements(service) as said:
        answer = await service.send({"events": events}, path="/v1/events/batch")

    assert {one["outcome"] for one in answer.json()["results"]} == {"created"}
    assert len(said) <= IDLE_EVENT + 200 // PIECE_COMMANDS, "\n".join(said)


async def test_a_balance_is_one_statement(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol()
        await service.buy("10.00")
        await service.units(member["id"])

        with statements(service) as said:
            await service.units(member["id"])

    assert len(said) == 1, "\n".join(said)


async def test_a_dry_run_locks_and_writes_nothing(service: Service) -> None:
    await service.buy("10.00")

    with statements(service) as said:
        await service.send(purchase("5.00", id="dry"), path="/v1/events?dry_run=true")

    assert "READ ONLY" in said[0]
    assert not [text for text in said if "FOR UPDATE" in text or "INSERT" in text or "UPDATE" in text]
