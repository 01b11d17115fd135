"""`zegel program`: check, draft, compare and publish a program document."""

import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from app.cli import opening
from app.cli.errors import CliError
from app.db import transactions
from app.db.transactions import Engine
from app.main import fresh_id, system_clock
from app.operations import programs
from app.program import differing, reading, reference, schema
from app.program.document import Document
from app.queries import drafts
from app.queries import programs as queries
from app.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check, draft, compare and publish a program document.")

T = TypeVar("T")

File = Annotated[Path, typer.Argument(help="The document: YAML or JSON.", exists=True, dir_okay=False)]
Program = Annotated[str, typer.Option(help="Short name of the program.")]


@app.command()
def check(file: File) -> None:
    """Tell every mistake of a document, each with its place."""
    document = read(file)
    opening.console.print(f"{file}: {document.name}: no mistakes")


@app.command()
def publish(
    file: File,
    program: Annotated[str, typer.Option(help="Short name of the program; made if there is none.")],
    at: Annotated[
        str | None, typer.Option(help="An instant to come, such as 2026-12-01T00:00:00+01:00; at once if left out.")
    ] = None,
) -> None:
    """Publish a document as the program's next version, in force at once or from an instant on."""
    read(file)
    begins = None if at is None else instant(at)
    with opening.database(opening.settings(), quiet=True) as settings:
        published = asyncio.run(publish_file(settings, file, code=program, at=begins))
    said = "published as" if published.new else "is already, or will be, in force as"
    since = "" if at is None else f", in force from {published.in_force_from.isoformat()}"
    opening.console.print(f"{program}: {said} version {published.version}{since}")


@app.command()
def draft(
    program: Program,
    file: Annotated[
        Path | None, typer.Argument(help="What to keep as the draft; the draft is printed if left out.", dir_okay=False)
    ] = None,
    replaces: Annotated[int, typer.Option(help="The revision that the file was made from; 0 for none.")] = 0,
) -> None:
    """Print the draft of the program's next rules, or keep a file as the draft."""
    with opening.database(opening.settings(), quiet=True) as settings:
        if file is None:
            found = asyncio.run(_with_program(settings, program, _read_draft))
            print(found.text.decode(), end="")
            opening.console.print(f"revision {found.revision}, by {found.changed_by}")
        else:
            revision = asyncio.run(_with_program(settings, program, _saving(_bytes(file), replaces=replaces)))
            opening.console.print(f"{program}: kept as revision {revision} of the draft")


@app.command()
def show(
    program: Program,
    version: Annotated[int | None, typer.Option(help="Which version; that in force if left out.")] = None,
) -> None:
    """Print a published version as it was written."""
    with opening.database(opening.settings(), quiet=True) as settings:
        print(asyncio.run(text_of(settings, code=program, version=version)).decode(), end="")


@app.command()
def diff(
    program: Program,
    file: Annotated[
        Path | None, typer.Argument(help="What to compare; the draft if left out.", exists=True, dir_okay=False)
    ] = None,
    version: Annotated[
        int | None, typer.Option("--from", help="The version to compare with; else that in force.")
    ] = None,
) -> None:
    """Tell what a document, or the draft, says otherwise than a published version."""
    text = None if file is None else _bytes(file)
    with opening.database(opening.settings(), quiet=True) as settings:
        print(asyncio.run(_with_program(settings, program, _comparing(text, version=version))))


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of documents, for editors that complete and check while you type."""
    print(json.dumps(schema.json_schema(), indent=2, ensure_ascii=False))


@app.command("reference")
def print_reference() -> None:
    """Print the reference of documents, key by key, as Markdown."""
    print(reference.markdown(), end="")


def read(file: Path) -> Document:
    """The document in a file. Raises CliError with every mistake."""
    return _document(file, _bytes(file))


def _document(file: Path, text: bytes) -> Document:
    try:
        return reading.read_new(text)
    except reading.MistakesInDocument as error:
        raise _mistakes(file, error) from None


async def publish_file(settings: Settings, file: Path, *, code: str, at: datetime | None = None) -> programs.Published:
    """Publishes what fits the program: its shops, and what it counted. Raises CliError with every mistake."""
    assert settings.database_url is not None
    text = _bytes(file)
    engine = transactions.create_engine(settings.database_url)
    try:
        found = await programs.named(engine, code)
        document = _document(file, text) if found is None else await drafts.sound(engine, text, program_id=found)
        return await programs.publish(
            engine,
            document,
            text=text,
            code=code,
            id=fresh_id(),
            audit_id=fresh_id(),
            actor=actor(),
            now=system_clock(),
            in_force_from=at,
        )
    except reading.MistakesInDocument as error:
        raise _mistakes(file, error) from None
    except programs.TooSoon as soon:
        raise CliError(str(soon)) from None
    finally:
        await engine.dispose()


async def text_of(settings: Settings, *, code: str, version: int | None = None) -> bytes:
    """A version as it was written, by default the one in force. Raises CliError where there is no such version."""

    async def read(engine: Engine, program_id: bytes) -> bytes:
        published = await queries.rules_versions(engine, program_id=program_id)
        return await queries.text(engine, _version(published, version), program_id=program_id)

    return await _with_program(settings, code, read)


def instant(text: str) -> datetime:
    """The instant of a text with an offset. Raises CliError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"{text} is no time: write it as 2026-12-01T00:00:00+01:00") from None
    if found.tzinfo is None:
        raise CliError(f"{text} has no offset: write it as 2026-12-01T00:00:00+01:00")
    return found


def actor() -> str:
    """Who is at the keyboard, for the log of what was set up."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


async def program_id(engine: Engine, code: str) -> bytes:
    """The id of a program. Raises CliError where there is none of this name."""
    found = await programs.named(engine, code)
    if found is None:
        raise CliError(f"there is no program {code}")
    return found


async def _with_program(settings: Settings, code: str, work: Callable[[Engine, bytes], Awaitable[T]]) -> T:
    assert settings.database_url is not None
    engine = transactions.create_engine(settings.database_url)
    try:
        return await work(engine, await program_id(engine, code))
    finally:
        await engine.dispose()


async def _read_draft(engine: Engine, program_id: bytes) -> queries.Draft:
    found = await queries.draft(engine, program_id=program_id)
    if found is None:
        raise CliError("there is no draft")
    return found


def _saving(text: bytes, *, replaces: int) -> Callable[[Engine, bytes], Awaitable[int]]:
    async def save(engine: Engine, program_id: bytes) -> int:
        try:
            return await programs.save_draft(
                engine,
                text,
                program_id=program_id,
                replaces=replaces,
                audit_id=fresh_id(),
                by=actor(),
                now=system_clock(),
            )
        except programs.DraftChanged as changed:
            raise CliError(
                f"the draft is at revision {changed.revision}: read it, and say --replaces {changed.revision}"
            ) from None

    return save


def _version(published: Sequence[queries.RulesVersion], number: int | None) -> queries.RulesVersion:
    if number is None:
        found = queries.in_force(published, now=system_clock())
    else:
        found = next((row for row in published if row.version == number), None)
    if found is None:
        raise CliError("there is no such version")
    return found


def _comparing(text: bytes | None, *, version: int | None) -> Callable[[Engine, bytes], Awaitable[str]]:
    async def compare(engine: Engine, program_id: bytes) -> str:
        published = await queries.rules_versions(engine, program_id=program_id)
        before = _version(published, version)
        after = (await _read_draft(engine, program_id)).text if text is None else text
        document = await drafts.sound(engine, after, program_id=program_id)
        return differing.text(differing.differences(before.document, reading.canonical(document)))

    return compare


def _mistakes(file: Path, error: reading.MistakesInDocument) -> CliError:
    return CliError(f"{file} has mistakes:\n{error}")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from None
