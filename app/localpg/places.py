"""Where a home has what, and whose it is."""

import hashlib
import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.localpg.errors import LocalPgError


def home_for(clone: Path, *, root: bool) -> Path:
    """The default home of the data that belongs to a clone of this project."""
    digest = _digest(os.fsencode(clone.resolve()))
    if root:
        return Path("/var/lib/zegel", digest)
    shared = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not shared.is_absolute():  # unset, or to be ignored (XDG Base Directory Specification)
        shared = Path.home() / ".local" / "share"
    return shared / "zegel" / digest


@dataclass(frozen=True, slots=True)
class Place:
    """Where one major version lives in a home, and the account its server runs as."""

    base: Path
    binaries: Path
    uid: int
    gid: int

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def log(self) -> Path:
        return self.base / "server.log"

    @property
    def socket(self) -> Path:
        run = self.base / "run"
        return run.readlink() if run.is_symlink() else run

    @property
    def cluster(self) -> str:
        return f"zegel-{_digest(os.fsencode(self.base))}"


def make_base(home: Path, major: str) -> Path:
    """The folder of a major version in a home, made where need be. Raises LocalPgError."""
    mode = 0o711 if os.geteuid() == 0 else 0o700  # the server's account passes through root's folders
    base = home / f"pg{major}"
    for folder in (*reversed(base.parents), base):
        if not folder.exists():
            with suppress(FileExistsError):
                folder.mkdir(mode)
                folder.chmod(mode)
    for folder in (home, base):
        _check_owner(folder)
    return base


def _check_owner(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise LocalPgError(f"{folder} belongs to user {found.st_uid}: run as that user, or choose another data folder")
    if found.st_mode & 0o002:
        raise LocalPgError(f"anybody may write in {folder}: choose another data folder, or run `chmod o-w {folder}`")


def server_account() -> tuple[int, int]:
    """The user and group as which the server runs. Raises LocalPgError."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise LocalPgError("PostgreSQL does not run as root, and this system has no user nobody to run it") from None
    return nobody.pw_uid, nobody.pw_gid


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
