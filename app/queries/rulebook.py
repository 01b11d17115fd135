"""The rules in force, compiled, for readers: kept per version, the version read again after a second."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.rules import Versions
from app.program import compiling
from app.program import reading as documents
from app.queries import programs
from app.queries.gathering import Gathering

FRESH_SECONDS = 1.0


class Rulebook:
    """The published versions of each program. What a reader sees may be a second old."""

    def __init__(self, engine: AsyncEngine, *, monotonic: Callable[[], float]) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._kept: dict[bytes, tuple[float, Versions]] = {}
        self._asked = Gathering(self._read)

    async def of(self, program_id: bytes) -> Versions:
        """All versions published, oldest first; empty before the first."""
        kept = self._kept.get(program_id)
        if kept is not None and self._monotonic() < kept[0]:
            return kept[1]
        await self._asked.get(program_id)
        return self._kept[program_id][1]

    async def _read(self, program_ids: Sequence[bytes]) -> dict[bytes, Versions]:
        return {program_id: await self._refreshed(program_id) for program_id in program_ids}

    async def _refreshed(self, program_id: bytes) -> Versions:
        kept = self._kept.get(program_id)
        known = {rules.version: rules for rules in kept[1].all} if kept is not None else {}
        published = await programs.rules_versions(self._engine, program_id=program_id)
        versions = Versions(
            tuple(
                known.get(row.version)
                or compiling.compile_rules(
                    documents.read(row.document),
                    version=row.version,
                    digest=row.digest,
                    in_force_from=row.in_force_from,
                )
                for row in published
            )
        )
        self._kept[program_id] = (self._monotonic() + FRESH_SECONDS, versions)
        return versions
