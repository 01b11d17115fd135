"""`zegel keys`: make, list and revoke API keys."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer
from rich.table import Column, Table

from app.cli import opening
from app.cli.errors import CliError
from app.cli.program import actor
from app.db import transactions
from app.db.transactions import Engine
from app.domain import keys as key_texts
from app.domain import typeid
from app.domain.commands import RESERVED
from app.domain.scopes import PROGRAM, SHOP, Scope
from app.main import fresh_id, system_clock
from app.operations import keys as operations
from app.operations import programs
from app.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
T = TypeVar("T")
KEY_ID_LENGTH = 30

Program = Annotated[str, typer.Option(help="Short name of the program.")]


@app.command()
def create(
    program: Program,
    shop: Annotated[
        str | None,
        typer.Option(help="Shop the key belongs to, such as `webshop`; made if new. Without: the program's."),
    ] = None,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it may do; repeat for several.  [default: what a shop needs]")
    ] = None,
    also: Annotated[list[Scope] | None, typer.Option(help="A scope beyond the default ones.")] = None,
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    owner: Annotated[
        str | None, typer.Option(help="Whose it is; keys of one owner are one person's.  [default: the label]")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it ends.  [default: never]")] = None,
) -> None:
    """Make an API key and print it, this once: only a digest is kept."""
    scopes = tuple(dict.fromkeys([*(scope or (SHOP if shop else PROGRAM)), *(also or ())]))
    if shop is not None and (
        shop in RESERVED or not shop.isascii() or not shop.isprintable() or not 1 <= len(shop) <= 64
    ):
        raise CliError("a shop's name has 1 to 64 printable ASCII characters, and is not `zegel` or `ops`")
    if owner is not None and (not owner.isprintable() or not 1 <= len(owner) <= 200 or owner != owner.strip()):
        raise CliError("an owner's name has 1 to 200 printable characters, and no spaces around it")
    with opening.database(opening.settings(), quiet=True) as settings:
        key = asyncio.run(
            with_engine(
                settings,
                lambda engine: make_key(
                    engine, settings, program=program, shop=shop, scopes=scopes, label=label, days=days, owner=owner
                ),
            )
        )
    print(key)


@app.command("list")
def list_keys(program: Program) -> None:
    """List a program's keys. The keys themselves are kept nowhere."""

    async def rows(engine: Engine) -> tuple[operations.KeyRow, ...]:
        return await operations.listed(engine, program_id=await program_id(engine, program))

    with opening.database(opening.settings(), quiet=True) as settings:
        found = asyncio.run(with_engine(settings, rows))
    opening.console.print(shown(found, now=system_clock()))


def shown(found: Iterable[operations.KeyRow], *, now: datetime) -> Table:
    """The keys, each with the whole of its id however narrow the screen is: `revoke` asks for it."""
    key = Column("key", no_wrap=True, min_width=KEY_ID_LENGTH)
    table = Table(key, "shop", "owner", "label", "scopes", "made", "ends", "state")
    for row in found:
        state = "revoked" if row.revoked_at else "ended" if row.expires_at and row.expires_at <= now else "in force"
        ends = row.expires_at.date().isoformat() if row.expires_at else "never"
        made = row.created_at.date().isoformat()
        name = typeid.encode(typeid.KEY, row.id)
        table.add_row(name, row.source or "-", row.owner, row.label, " ".join(row.scopes), made, ends, state)
    return table


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="The key's id, `key_…`, as `zegel keys list` shows it.")]) -> None:
    """End a key, within seconds."""
    id = typeid.decode(typeid.KEY, key)
    if id is None:
        raise CliError("that is not a key's id: see `zegel keys list`")

    async def end(engine: Engine) -> bool:
        return await operations.revoke(engine, key_id=id, audit_id=fresh_id(), actor=actor(), now=system_clock())

    with opening.database(opening.settings(), quiet=True) as settings:
        if not asyncio.run(with_engine(settings, end)):
            raise CliError("there is no such key in force")
    opening.console.print("revoked")


async def make_key(
    engine: Engine,
    settings: Settings,
    *,
    program: str,
    shop: str | None,
    scopes: tuple[Scope, ...],
    label: str,
    days: int | None,
    owner: str | None = None,
) -> str:
    """A new key's text. Raises CliError where there is no such program."""
    assert settings.secret is not None
    now = system_clock()
    id = fresh_id()
    text, digest = operations.text(
        environment=settings.environment,
        id=id,
        secret=secrets.token_bytes(key_texts.SECRET_BYTES),
        key=key_texts.derive(settings.secret).api_keys,
    )
    new = operations.NewKey(await program_id(engine, program), shop, label, scopes, _ends(now, days), owner)
    await operations.create(engine, new, ids=(id, fresh_id(), fresh_id()), digest=digest, actor=actor(), now=now)
    return text


async def program_id(engine: Engine, code: str) -> bytes:
    """The program's id. Raises CliError where there is none."""
    found = await programs.named(engine, code)
    if found is None:
        raise CliError(f"there is no program {code}: make it with `zegel program publish FILE --program {code}`")
    return found


async def with_engine(settings: Settings, work: Callable[[Engine], Awaitable[T]]) -> T:
    """Runs work on a pool that is closed after it."""
    assert settings.database_url is not None
    engine = transactions.create_engine(settings.database_url)
    try:
        return await work(engine)
    finally:
        await engine.dispose()


def _ends(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)
