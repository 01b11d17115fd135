"""`zegel import`: a file of past purchases, into the ledger."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.api.schemas.common import MINOR_UNITS
from app.cli import opening
from app.cli.errors import CliError
from app.cli.importing import progress, running, sending
from app.cli.importing.columns import Named
from app.cli.importing.progress import Totals
from app.cli.importing.rows import Mark
from app.cli.importing.running import Options, Watch
from app.cli.importing.sending import Patience
from app.domain import money

REFUSED_EXIT = 3

Column = Annotated[str | None, typer.Option(metavar="NAME")]


def import_(  # noqa: PLR0913 - one parameter an option
    file: Annotated[Path, typer.Argument(help="The CSV file, one purchase a row.", exists=True, dir_okay=False)],
    id_column: Annotated[
        str | None,
        typer.Option(help="Column of the order or receipt number; `-` for none: rows are numbered.  [default: guessed]"),
    ] = None,
    member_column: Annotated[
        str | None, typer.Option(help="Column that says who bought.  [default: guessed]")
    ] = None,
    date_column: Annotated[str | None, typer.Option(help="Column of the date, or date and time.  [default: guessed]")] = None,
    amount_column: Annotated[str | None, typer.Option(help="Column of what was paid.  [default: guessed]")] = None,
    currency_column: Annotated[str | None, typer.Option(help="Column of the currency, if rows differ.")] = None,
    sku_column: Annotated[str | None, typer.Option(help="Column of the article number.")] = None,
    quantity_column: Annotated[str | None, typer.Option(help="Column of the quantity.")] = None,
    category_column: Annotated[str | None, typer.Option(help="Column of the article's category.")] = None,
    location_column: Annotated[str | None, typer.Option(help="Column of the place of sale.")] = None,
    identity_kind: Annotated[
        str, typer.Option(help="What the member column holds: customer, card, email, phone, or a word of yours.")
    ] = "customer",
    id_prefix: Annotated[
        str | None, typer.Option(help="Begins the id of numbered rows.  [default: the file's name]")
    ] = None,
    header: Annotated[
        bool, typer.Option(help="Whether the first row names the columns; if not, they are named 1, 2, 3, …")
    ] = True,
    delimiter: Annotated[str | None, typer.Option(help="What stands between fields.  [default: guessed]")] = None,
    encoding: Annotated[str, typer.Option(help="How letters are stored; older spreadsheets write cp1252.")] = "utf-8",
    date_format: Annotated[
        str | None,
        typer.Option(help="How dates are written, such as %d-%m-%Y or '%d/%m/%Y %H:%M'.  [default: 2026-11-21 …]"),
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Where dates and times without an offset hold.  [default: the program's]")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Currency of the amounts.  [default: the program's only one]")
    ] = None,
    decimal: Annotated[Mark, typer.Option(help="What stands before the cents.")] = Mark.POINT,
    messages: Annotated[bool, typer.Option(help="Send webhooks for this history too.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, max=running.MOST_BATCH, help="Rows a request.")] = 500,
    refused: Annotated[
        Path | None, typer.Option(help="Where refused rows are written.  [default: FILE.refused.csv]")
    ] = None,
    restart: Annotated[bool, typer.Option(help="Begin at the top, though an earlier run came further.")] = False,
    url: Annotated[str | None, typer.Option(help="Where the API is.  [default: ZEGEL_URL]")] = None,
    key: Annotated[
        str | None, typer.Option(help="A shop's API key with the scope events:history.  [default: ZEGEL_KEY]")
    ] = None,
) -> None:
    """Send a CSV file of past purchases into the ledger, in the order of the file.

    Each row becomes a purchase of the past; members are enrolled as they appear. Points that would have expired
    since, have. No webhooks are sent unless you say --messages.

    Import the same file as often as you like: a row's id is its order number or, without one, FILE-1, FILE-2, … by
    its place, so what is recorded is not recorded twice. To a file without order numbers only add rows at the end.

    Rows that cannot be taken are written to FILE.refused.csv with line, reason and all they contained; mend them
    there, and import that file. The rest goes on. If the import stops halfway, start it again: it goes on from
    FILE.progress.

    Exit code: 0 all rows are in; 3 the end was reached, but some rows were refused; 1 it stopped.
    """
    settings = opening.settings()
    key = key or settings.key
    if not key:
        raise CliError("no API key: set ZEGEL_KEY, or say --key; make one with "
                       "`zegel keys create --program NAME --shop import --also events:history`")
    if delimiter is not None and len(delimiter := delimiter.replace("\\t", "\t")) != 1:
        raise CliError("--delimiter is one character, such as ; or \\t")
    options = Options(
        file=file,
        named=Named(
            id_column, member_column, date_column, amount_column, currency_column, sku_column, quantity_column,
            category_column, location_column,
        ),
        header=header,
        delimiter=delimiter,
        encoding=encoding,
        date_format=date_format,
        time_zone=time_zone,
        currency=currency,
        decimal=decimal,
        identity_kind=identity_kind,
        id_prefix=id_prefix,
        messages=messages,
        batch_size=batch_size,
        refused=refused,
        restart=restart,
    )  # fmt: skip
    started = time.monotonic()
    totals, sent = asyncio.run(_run(options, url=url or settings.url, key=key))
    print(summary(totals, sent=sent, seconds=time.monotonic() - started))
    if totals.refused:
        opening.console.print(f"refused rows: {options.refused_file}", markup=False)
        raise typer.Exit(REFUSED_EXIT)
