"""`zegel program`: check and publish a program document."""

import asyncio
import getpass
import json
from pathlib import Path
from typing import Annotated

import typer

from app.cli import opening
from app.cli.errors import CliError
from app.db import transactions
from app.main import fresh_id, system_clock
from app.operations import programs
from app.program import reading, schema
from app.program.document import Document
from app.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check and publish a program document.")

File = Annotated[Path, typer.Argument(help="The document: YAML or JSON.", exists=True, dir_okay=False)]


@app.command()
def check(file: File) -> None:
    """Tell every mistake of a document, each with its place."""
    document = read(file)
    opening.console.print(f"{file}: {document.name}: no mistakes")


@app.command()
def publish(
    file: File,
    program: Annotated[str, typer.Option(help="Short name of the program; made if there is none.")],
) -> None:
    """Publish a document as the program's next version, in force from now on."""
    document = read(file)
    with opening.database(opening.settings(), quiet=True) as settings:
        published = asyncio.run(publish_document(settings, document, code=program))
    said = "published as" if published.new else "is already in force as"
    opening.console.print(f"{program}: {said} version {published.version}")


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of documents, for editors that complete and check while you type."""
    print(json.dumps(schema.json_schema(), indent=2, ensure_ascii=False))


def read(file: Path) -> Document:
    """The document in a file. Raises CliError with every mistake."""
    try:
        return reading.read(file.read_bytes())
    except reading.MistakesInDocument as error:
        raise CliError(f"{file} has mistakes:\n{error}") from None
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from None


async def publish_document(settings: Settings, document: Document, *, code: str) -> programs.Published:
    """Publishes for the person at the keyboard."""
    assert settings.database_url is not None
    engine = transactions.create_engine(settings.database_url)
    try:
        return await programs.publish(
            engine, document, code=code, id=fresh_id(), audit_id=fresh_id(), actor=actor(), now=system_clock()
        )
    finally:
        await engine.dispose()


def actor() -> str:
    """Who is at the keyboard, for the log of what was set up."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"
