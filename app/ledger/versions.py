"""The published versions of a program's rules, each compiled the first time a batch meets it, and kept for ever."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.db import loading
from app.domain.rules import Rules, Versions
from app.program import compiling, reading


class CompiledRules:
    """A cache of immutable versions: which of them exist is read in each batch."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[bytes, int], Rules] = {}
        self._versions: dict[bytes, Versions] = {}

    async def of(self, connection: Any, published: Mapping[int, datetime], *, program_id: bytes) -> Versions:
        """The published versions, oldest first; `published` says for each from when on it is in force."""
        known = self._versions.get(program_id)
        if known is not None and len(known.all) == len(published):
            return known
        for version, in_force_from in published.items():
            if (program_id, version) not in self._compiled:
                document, digest = await loading.document(connection, program_id=program_id, version=version)
                self._compiled[program_id, version] = compiling.compile_rules(
                    reading.read(document), version=version, digest=digest, in_force_from=in_force_from
                )
        mine = sorted((self._compiled[program_id, version] for version in published), key=lambda r: r.version)
        versions = self._versions[program_id] = Versions(tuple(mine))
        return versions
