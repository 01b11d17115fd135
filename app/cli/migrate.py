"""`zegel migrate`: bring the database's schema up to date."""

from typing import Annotated

import typer

from app.cli import opening
from app.cli.errors import CliError
from app.db import installing, roles
from app.main import newest_migration
from app.settings import Settings


def migrate(
    sql: Annotated[bool, typer.Option(help="Only print the SQL that gives the service's role its rights.")] = False,
) -> None:
    """Bring the schema up to date, and give the service's role its rights; again changes nothing.

    MIGRATION_DATABASE_URL is the owner of the tables, DATABASE_URL the service. Without them, the embedded database.
    """
    found = opening.settings()
    if sql:
        login = installing.login_of(found.database_url) if found.database_url else opening.SERVICE
        print(";\n".join(roles.statements(login=login, janitor=_janitor(found))) + ";")
        return
    if found.database_url is None:
        with opening.database(found):
            pass
    elif found.migration_database_url is None:
        raise CliError("set MIGRATION_DATABASE_URL: the same database, as the role that owns the tables")
    else:
        login = installing.login_of(found.database_url)
        opening.upgrade(found.migration_database_url, login=login, janitor=_janitor(found))
    opening.console.print(f"schema at {newest_migration()}")


def _janitor(found: Settings) -> str | None:
    if found.database_url is None:
        return opening.JANITOR
    return installing.login_of(found.janitor_database_url) if found.janitor_database_url else None
