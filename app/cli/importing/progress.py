"""How far an import has come: its sums, and a small file that lets the next run skip what was acknowledged.

The file only saves time. That nothing is recorded twice comes from the events' ids (semantics E1).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.cli.importing.records import Place

_HEAD_BYTES = 64 * 1024
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Totals:
    """What the rows came to.

    `amounts` are minor units by currency, of created and replayed rows; what rows earned is, by unit, in `points` for
    the created and in `points_before` for the replayed ones. `members` counts those whose first event is one of these
    rows, `backwards` the rows that come after a later one of the same member.
    """

    rows: int = 0
    created: int = 0
    replayed: int = 0
    members: int = 0
    backwards: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    amounts: Mapping[str, int] = field(default_factory=dict)
    points: Mapping[str, int] = field(default_factory=dict)
    points_before: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: "Totals") -> "Totals":
        """Both together."""
        return Totals(
            self.rows + other.rows,
            self.created + other.created,
            self.replayed + other.replayed,
            self.members + other.members,
            self.backwards + other.backwards,
            _sum(self.refused, other.refused),
            _sum(self.amounts, other.amounts),
            _sum(self.points, other.points),
            _sum(self.points_before, other.points_before),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """A place in the file before which every row is settled, the sums so far, and the size of the refused file."""

    place: Place
    totals: Totals = Totals()
    refused_size: int = 0


def fingerprint(path: Path, *, told: object) -> str:
    """Stands for the file (its size and beginning) and for what shapes the import, so that no other is taken for it."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    said = json.dumps([path.stat().st_size, repr(told)]).encode()
    return sha256(said + b"\n" + head).hexdigest()


def load(path: Path, *, fingerprint: str) -> Progress | None:
    """The progress kept there, or None where there is none, or that of another import."""
    try:
        kept = json.loads(path.read_text())
        if kept["format"] != _FORMAT or kept["fingerprint"] != fingerprint:
            return None
        return Progress(Place(**kept["place"]), Totals(**kept["totals"]), kept["refused_size"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def save(path: Path, progress: Progress, *, fingerprint: str) -> bool:
    """Keeps the progress, all or nothing; False where the folder does not let us."""
    kept: dict[str, Any] = {"format": _FORMAT, "fingerprint": fingerprint, **asdict(progress)}
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(json.dumps(kept))
        new.replace(path)
    except OSError:
        return False
    return True


def forget(path: Path) -> None:
    """The import is complete, or starts again from the top."""
    with suppress(OSError):
        path.unlink()


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *(key for key in other if key not in one))}
