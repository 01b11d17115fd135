"""The schema keeps its rules: the program leads every key, nothing acts by itself, the service may do what it must."""

import asyncpg

from app.cli import opening
from app.db.tables import APPEND_ONLY, REFERENCE, SERVICE_ROLE, metadata, service_rights
from app.settings import Settings
from tests.db import catalog

OUTSIDE = REFERENCE | {"alembic_version"}
"""Tables that no program owns."""

OF_MEMBERS = frozenset(
    "member profile account event particulars entry draw open_lot tier_term schedule".split()
)  # fmt: skip
"""Tables in which a member's rows lie together."""

EVERY_RIGHT = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


async def test_the_tables_are_those_the_code_knows(owner: asyncpg.Connection) -> None:
    found = {row["table"] for row in await catalog.tables(owner)}

    assert found == set(metadata.tables) | {"alembic_version"}
    assert found >= APPEND_ONLY | REFERENCE | OF_MEMBERS


async def test_the_program_leads_every_key(owner: asyncpg.Connection) -> None:
    keys = [row for row in await catalog.constraints(owner) if row["kind"] in ("p", "u", "f")]
    wrong = [row for row in keys if row["table"] not in OUTSIDE and row["columns"][0] != "program_id"]

    assert {row["table"] for row in keys if row["kind"] == "p"} == set(metadata.tables) | {"alembic_version"}
    assert wrong == []


async def test_the_program_leads_every_index(owner: asyncpg.Connection) -> None:
    wrong = [
        row["definition"]
        for row in await catalog.indexes(owner)
        if row["table"] not in OUTSIDE and row["columns"][0] != "program_id" and row["method"] != "brin"
    ]

    assert wrong == []
    assert not [row for row in await catalog.indexes(owner) if row["method"] == "brin" and row["is_unique"]]


async def test_every_table_of_a_program_says_which(owner: asyncpg.Connection) -> None:
    columns = {(row["table"], row["column"]): row for row in await catalog.columns(owner)}

    for table in set(metadata.tables) - REFERENCE:
        assert (columns[table, "program_id"]["type"], columns[table, "program_id"]["needed"]) == ("uuid", True), table


async def test_the_member_comes_second_in_a_members_tables(owner: asyncpg.Connection) -> None:
    keys = {row["table"]: row["columns"] for row in await catalog.constraints(owner) if row["kind"] == "p"}

    assert {table for table in OF_MEMBERS if keys[table][1] != "member_id"} == set()


async def test_no_hot_table_refers_to_another(owner: asyncpg.Connection) -> None:
    referring = {row["table"] for row in await catalog.constraints(owner) if row["kind"] == "f"}

    assert referring <= {"rules", "draft", "shop"}


async def test_nothing_acts_by_itself(owner: asyncpg.Connection) -> None:
    assert await owner.fetch("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []
    assert await owner.fetch("SELECT rulename FROM pg_rules WHERE schemaname = 'public'") == []
    assert await owner.fetch("SELECT evtname FROM pg_event_trigger") == []
    assert await owner.fetch("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == []
    assert [row["extname"] for row in await owner.fetch("SELECT extname FROM pg_extension")] == ["plpgsql"]


async def test_ids_are_not_counted_by_the_database(owner: asyncpg.Connection) -> None:
    counted = [row for row in await catalog.columns(owner) if row["identity"] or row["generated"] or row["default"]]

    assert counted == []
    assert await owner.fetch("SELECT relname FROM pg_class WHERE relkind = 'S'") == []


async def test_there_are_no_types_of_our_own_and_no_deferred_or_excluding_constraints(
    owner: asyncpg.Connection,
) -> None:
    types = "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r')"

    assert await owner.fetch(types) == []
    assert [row for row in await catalog.constraints(owner) if row["deferrable"] or row["kind"] == "x"] == []


async def test_points_and_money_are_whole_and_times_have_a_zone(owner: asyncpg.Connection) -> None:
    allowed = {
        "uuid", "text", "bytea", "bigint", "integer", "smallint", "boolean", "date", "json", "text[]", "uuid[]",
        "timestamp with time zone",
    }  # fmt: skip
    found = {row["type"] for row in await catalog.columns(owner) if row["table"] != "alembic_version"}

    assert found <= allowed
    amounts = {
        row["type"] for row in await catalog.columns(owner) if row["column"] in ("points", "balance", "remaining")
    }
    assert amounts == {"bigint"}


async def test_the_service_has_the_rights_it_must_and_no_other(owner: asyncpg.Connection) -> None:
    expected = {(table, right) for table in metadata.tables for right in service_rights(table)}
    expected |= {("alembic_version", "SELECT")}
    found = await catalog.grants(owner)

    assert {(row["table"], row["right"]) for row in found if row["grantee"] == SERVICE_ROLE} == expected
    assert {row["grantee"] for row in found} == {SERVICE_ROLE}
    assert not [table for table in APPEND_ONLY if set(service_rights(table)) != {"SELECT", "INSERT"}]


async def test_the_login_of_the_service_has_what_the_group_has(owner: asyncpg.Connection) -> None:
    for table in metadata.tables:
        asked = "SELECT has_table_privilege($1, $2, $3)"
        rights = {right for right in EVERY_RIGHT if await owner.fetchval(asked, opening.SERVICE, table, right)}
        assert rights == set(service_rights(table)), table
    assert not await owner.fetch(
        "SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'public'::regnamespace AND attacl IS NOT NULL"
    )


async def test_the_service_may_make_and_own_nothing(owner: asyncpg.Connection, settings: Settings) -> None:
    role = await owner.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", opening.SERVICE)
    powers = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")
    assert role is not None
    assert {power: role[power] for power in powers} == dict.fromkeys(powers, False)
    assert not await owner.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", opening.SERVICE)
    groups = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = $1::regrole"
    assert [row["roleid"] for row in await owner.fetch(groups, opening.SERVICE)] == [SERVICE_ROLE]
