"""What becomes of a text as the program's next rules: everything that is wrong with it, or the document."""

import asyncio
from collections.abc import Collection, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from app.program import reading, succession
from app.program.document import Document
from app.program.reading import Mistake, MistakesInDocument
from app.queries import programs
from app.queries.programs import RulesVersion


async def judged(engine: AsyncEngine, text: bytes, *, program_id: bytes) -> tuple[Document | None, tuple[Mistake, ...]]:
    """The document of a text, and all that is wrong with it: None where it could not be read.

    Reading may take seconds, and so is done beside the event loop.
    """
    published = await programs.rules_versions(engine, program_id=program_id)
    known = await programs.shops(engine, program_id=program_id)
    return await asyncio.to_thread(_judged, text, published, known)


async def sound(engine: AsyncEngine, text: bytes, *, program_id: bytes) -> Document:
    """The document of a text that can be published. Raises MistakesInDocument."""
    document, mistakes = await judged(engine, text, program_id=program_id)
    if document is None or mistakes:
        raise MistakesInDocument(mistakes)
    return document


def _judged(
    text: bytes, published: Sequence[RulesVersion], known: Collection[str]
) -> tuple[Document | None, tuple[Mistake, ...]]:
    before = [(row.version, reading.read(row.document)) for row in published]
    try:
        document = reading.read_new(text, shops=known)
    except MistakesInDocument as error:
        units, zone = reading.units(text)
        found = () if zone is None else tuple(succession.mistakes(units, zone, before))
        return None, reading.located((*error.mistakes, *found), text) if found else error.mistakes
    try:
        succession.check(document, before)
    except MistakesInDocument as error:
        return document, reading.located(error.mistakes, text)
    return document, ()
