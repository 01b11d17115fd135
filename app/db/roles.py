"""The service's rights in the database: it may only INSERT and SELECT where history lies (architecture §5.4)."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables

_FORBIDDEN = ("UPDATE", "DELETE", "TRUNCATE")


def statements(*, login: str | None) -> tuple[str, ...]:
    """The SQL that gives the service's role its rights, and a login role the membership."""
    role = tables.SERVICE_ROLE
    made = (
        (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
        ),
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT ON alembic_version TO {role}",
    )
    rights = tuple(
        statement
        for table in sorted(tables.metadata.tables)
        for statement in (
            f"REVOKE ALL ON {table} FROM PUBLIC, {role}",
            f"GRANT {', '.join(tables.service_rights(table))} ON {table} TO {role}",
        )
    )
    return made + rights + ((f"GRANT {role} TO {_quoted(login)}",) if login is not None else ())


async def grant(connection: AsyncConnection, *, login: str | None) -> None:
    """Gives the rights; again changes nothing. Needs a role that owns the tables and may create roles."""
    for statement in statements(login=login):
        await connection.execute(text(statement))


async def make_login(connection: AsyncConnection, login: str) -> None:
    """A login role without a password, for the embedded database, where only the socket's folder guards the way in."""
    exists = await connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :login"), {"login": login})
    if exists.first() is None:
        await connection.execute(text(f"CREATE ROLE {_quoted(login)} LOGIN"))


async def excess(connection: AsyncConnection) -> tuple[str, ...]:
    """What the connected role may do to history although it must not; empty for a proper service role."""
    found = []
    superuser = await connection.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    if superuser.scalar():
        found.append("is a superuser")
    checks = [(table, verb) for table in sorted(tables.APPEND_ONLY) for verb in _FORBIDDEN]
    for table, verb in checks:
        allowed = await connection.execute(text("SELECT has_table_privilege(:t, :v)"), {"t": table, "v": verb})
        if allowed.scalar():
            found.append(f"may {verb} {table}")
    return tuple(found)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
