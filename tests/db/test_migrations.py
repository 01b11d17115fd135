"""Migrations make exactly the tables the code knows, and the newest can be taken back and made again."""

import asyncio
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.cli import opening, verify
from app.db.tables import metadata
from app.main import alembic_config
from app.settings import Settings
from app.worker import settling
from tests.builders import FRIENDS, Clock, open_service, publish, purchase
from tests.db import catalog


def engine_of(settings: Settings) -> AsyncEngine:
    """Connections of the owner."""
    assert settings.migration_database_url is not None
    return create_async_engine(
        settings.migration_database_url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool
    )


def schema_of(settings: Settings) -> dict[str, Any]:
    """The whole catalog, with the grants."""

    async def read() -> dict[str, Any]:
        connection = await asyncpg.connect(settings.migration_database_url)
        try:
            return {**await catalog.whole(connection), "grants": await catalog.grants(connection)}
        finally:
            await connection.close()

    return asyncio.run(read())


async def test_alembic_finds_nothing_to_generate(settings: Settings, anyio_backend: str) -> None:
    def compare(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    async with engine_of(settings).connect() as connection:
        assert await connection.run_sync(compare) == []


async def test_the_migrations_make_what_the_tables_say_to_the_letter(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    migrated = await catalog.whole(owner)

    async with engine_of(settings).begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
        await connection.run_sync(metadata.create_all)
    declared = await catalog.whole(owner)

    for part, rows in declared.items():
        assert migrated[part] == rows, part
    assert any("WHERE" in row["definition"] for row in migrated["indexes"])


def test_the_newest_migration_goes_down_and_up_again(settings: Settings) -> None:
    config = alembic_config()
    config.attributes["url"] = settings.migration_database_url
    before = schema_of(settings)

    command.downgrade(config, "-1")
    down = schema_of(settings)
    assert settings.migration_database_url is not None
    opening.upgrade(settings.migration_database_url, login=opening.SERVICE, janitor=opening.JANITOR)

    assert down != before
    assert schema_of(settings) == before


async def test_an_older_ledger_learns_which_purchases_qualified_and_still_proves(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Taken back to the first schema and up again, members know what their bonuses were paid for, or wait for."""
    await publish(settings, clock=clock, document=FRIENDS)
    async with open_service(settings, clock=clock) as service:
        parts, code = service.app.state.parts, (await service.enrol("1"))["referral_code"]
        for card, settled in (("2", True), ("3", False)):
            await service.enrol(card, referral_code=code)
            await service.send(purchase("60.00", card=card, id=f"p{card}"))
            if settled:
                await settling.settle_once(parts.engine, parts.ledger, now=clock())
    ask = "SELECT referral, referral_purchase, coalesce(referral_rounds, 0) AS rounds FROM member ORDER BY member_id"
    before = await owner.fetch(ask)
    await owner.close()
    config = alembic_config()
    config.attributes["url"] = url = settings.migration_database_url
    assert url is not None

    await asyncio.to_thread(command.downgrade, config, "0001")
    await asyncio.to_thread(opening.upgrade, url, login=opening.SERVICE, janitor=opening.JANITOR)

    again = await asyncpg.connect(url)
    after = await again.fetch(ask)
    await again.close()
    assert after == before
    assert [row["rounds"] for row in before].count(1) == 2
    assert await verify.run(settings) == []


async def test_an_older_key_becomes_its_labels_and_no_shop_keeps_a_reserved_name(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    await publish(settings, clock=clock)
    program = await owner.fetchval("SELECT program_id FROM program")
    await owner.close()
    config = alembic_config()
    config.attributes["url"] = url = settings.migration_database_url
    assert url is not None
    await asyncio.to_thread(command.downgrade, config, "0005")
    old = await asyncpg.connect(url)
    for label in ("desk", ""):
        row = "INSERT INTO api_key VALUES (gen_random_uuid(), $1, NULL, $2, '', '{}', now())"
        await old.execute(row, program, label)
    await old.execute("INSERT INTO shop VALUES ($1, gen_random_uuid(), 'ops', 'Ops', now())", program)

    with pytest.raises(IntegrityError, match="shop_source_reserved_check"):
        await asyncio.to_thread(opening.upgrade, url, login=opening.SERVICE, janitor=opening.JANITOR)
    await old.execute("UPDATE shop SET source = 'operations' WHERE source = 'ops'")
    await asyncio.to_thread(opening.upgrade, url, login=opening.SERVICE, janitor=opening.JANITOR)

    owners = await old.fetch("SELECT owner FROM api_key ORDER BY label")
    await old.close()
    assert [row["owner"] for row in owners] == [None, "desk"]


def test_migrating_again_changes_nothing(settings: Settings) -> None:
    before = schema_of(settings)
    assert settings.migration_database_url is not None

    opening.upgrade(settings.migration_database_url, login=opening.SERVICE, janitor=opening.JANITOR)

    assert schema_of(settings) == before
