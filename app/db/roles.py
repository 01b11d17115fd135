"""The service's rights in the database: it may only INSERT and SELECT where history lies (architecture §5.4)."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables

_FORBIDDEN = ("UPDATE", "DELETE", "TRUNCATE")
_ALLOWED = text(
    "SELECT verb, name FROM unnest(CAST(:tables AS text[]), CAST(:verbs AS text[]))"
    " WITH ORDINALITY AS asked (name, verb, place) WHERE has_table_privilege(name, verb) ORDER BY place"
)


def statements(*, login: str | None, janitor: str | None) -> tuple[str, ...]:
    """The SQL that gives the two group roles their rights, and login roles the membership."""
    tables_ = sorted(tables.metadata.tables)
    service = [(table, tables.service_rights(table)) for table in tables_]
    janitors = [(table, tables.janitor_rights(table)) for table in tables_]
    return (
        *_rights(tables.SERVICE_ROLE, service),
        f"GRANT SELECT ON alembic_version TO {tables.SERVICE_ROLE}",
        *_rights(tables.JANITOR_ROLE, janitors),
        *([f"GRANT {tables.SERVICE_ROLE} TO {_quoted(login)}"] if login is not None else []),
        *([f"GRANT {tables.JANITOR_ROLE} TO {_quoted(janitor)}"] if janitor is not None else []),
    )


def _rights(role: str, of: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    made = (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
        f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
    )
    rights = [
        statement
        for table, verbs in of
        for statement in (
            f"REVOKE ALL ON {table} FROM PUBLIC, {role}",
            *([f"GRANT {', '.join(verbs)} ON {table} TO {role}"] if verbs else []),
        )
    ]
    return (made, f"GRANT USAGE ON SCHEMA public TO {role}", *rights)


async def grant(connection: AsyncConnection, *, login: str | None, janitor: str | None) -> None:
    """Gives the rights; again changes nothing. Needs a role that owns the tables and may create roles."""
    for statement in statements(login=login, janitor=janitor):
        await connection.execute(text(statement))


async def make_login(connection: AsyncConnection, login: str) -> None:
    """A login role without a password, for the embedded database, where only the socket's folder guards the way in."""
    exists = await connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :login"), {"login": login})
    if exists.first() is None:
        await connection.execute(text(f"CREATE ROLE {_quoted(login)} LOGIN"))


async def excess(connection: AsyncConnection, *, removable: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What the connected role may do to history although it must not; empty for a proper service role.

    `removable` are the tables that it may delete from: the janitor's.
    """
    found = []
    superuser = await connection.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    if superuser.scalar():
        found.append("is a superuser")
    checks = [(table, verb) for table in sorted(tables.APPEND_ONLY) for verb in _FORBIDDEN]
    checks = [(table, verb) for table, verb in checks if verb != "DELETE" or table not in removable]
    asked = {"tables": [table for table, _ in checks], "verbs": [verb for _, verb in checks]}
    return (*found, *[f"may {verb} {table}" for verb, table in await connection.execute(_ALLOWED, asked)])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
