"""Where a listener has come to, and the secret it signs with: kept in a file that its owner alone can read."""

import json
import os
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from app.cli.errors import CliError


@dataclass(frozen=True, slots=True)
class Kept:
    """What one run leaves to the next: `after` is a position of the feed, None before the first answer."""

    secret: str = field(repr=False)
    after: str | None = None


def default_file(url: str, key: str) -> Path:
    """A file for this service and this key, without naming either."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    shown = sha256(f"{url}\0{key}".encode()).hexdigest()[:16]
    return home / "zegel" / f"listen-{shown}.json"


def load(path: Path) -> Kept | None:
    """What the last run left; None before the first. Raises CliError where the file is something else."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return Kept(secret=str(found["secret"]), after=None if found["after"] is None else str(found["after"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise CliError(f"{path} is no position of `zegel listen`: remove it, or name another with --position") from None


def save(path: Path, kept: Kept) -> None:
    """Replaces the file in one step. Raises CliError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".new")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(kept), file)
        os.replace(beside, path)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}") from None
