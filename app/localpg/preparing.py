"""Everything that has to be there before a server starts."""

import hashlib
import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from app.localpg import keeper, tools
from app.localpg.errors import LocalPgError
from app.localpg.places import Place
from app.localpg.settings import SUPERUSER

_SOCKET_FOLDER_BYTES = 90  # a socket's whole path has 103 bytes on some systems, of which its name takes 14
_LOG_BYTES = 16 * 1024 * 1024


def prepare(place: Place, *, settings: Sequence[str], on_event: Callable[[str], None]) -> Path:
    """Make everything ready for a start, and say which binaries to use.

    `start.lock` is held, and there is neither a postmaster nor a keeper.
    """
    _check_reach(place)
    _clear_leftovers(place)
    binaries = _runnable_binaries(place)
    if not place.data.exists():
        on_event(f"creating the database in {place.data}")
        _initialize(place, binaries=binaries, settings=settings)
    _make_socket_folder(place)
    _write_access_rules(place)
    on_event(f"starting PostgreSQL in {place.base}")
    return binaries


def _check_reach(place: Place) -> None:
    if closed := _closed_to_server(place, [*reversed(place.base.parents), place.base], test="-x"):
        raise LocalPgError(
            f"the server runs as user {pwd.getpwuid(place.uid).pw_name}, who may not enter {closed}: "
            f"choose a data folder elsewhere, or run `chmod o+x {closed}`"
        )


def _clear_leftovers(place: Place) -> None:
    _kill_orphans(place)
    # PostgreSQL believes it as long as any process has its number: a zombie, or after a restart a stranger.
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    for unfinished in place.base.glob("unfinished-*"):
        shutil.rmtree(unfinished, ignore_errors=True)  # an initdb that lost its parent may still be writing there
    if place.log.exists() and place.log.stat().st_size > _LOG_BYTES:
        place.log.replace(place.log.with_suffix(".log.old"))


def _kill_orphans(place: Place) -> None:
    # A backend that is busy overlooks the postmaster's death, and no new server starts while it lives.
    deadline = time.monotonic() + keeper.STOP_SECONDS
    while orphans := _server_processes(place):
        if time.monotonic() > deadline:
            raise LocalPgError(f"processes of an earlier PostgreSQL in {place.base} do not end: {orphans}")
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(keeper.POLL_SECONDS)


def _server_processes(place: Place) -> list[int]:
    title = f"postgres: {place.cluster}: ".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        line = keeper.command_line(int(entry.name))
        if line.startswith(title) or keeper.is_postmaster_line(line, place.data):
            with suppress(OSError):
                if entry.stat().st_uid == place.uid:
                    found.append(int(entry.name))
    return found


def _runnable_binaries(place: Place) -> Path:
    """The binaries, or a copy in the base when the server's account may not use the original."""
    prefix = place.binaries.parent
    needed = [place.binaries / "initdb", place.binaries / "postgres", prefix / "share" / "postgres.bki"]
    if not _closed_to_server(place, [path for path in needed if path.exists()], test="-r"):
        return place.binaries
    with (place.binaries / "postgres").open("rb") as file:
        copy = place.base / f"binaries-{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    if not copy.exists():
        for outdated in place.base.glob("binaries-*"):
            shutil.rmtree(outdated)
        _copy_readable(prefix, copy)
    return copy / prefix.parent.name / prefix.name / place.binaries.name


def _closed_to_server(place: Place, paths: Sequence[Path], *, test: str) -> str:
    """The first of the paths that fails a test of `test` in the eyes of the server's account, or nothing."""
    script = 'flag=$1; shift; for path do test "$flag" "$path" || { printf %s "$path"; exit; }; done'
    command = ["/bin/sh", "-c", script, "sh", test, *map(os.fspath, paths)]
    return tools.output_of(command, **keeper.credentials(place.uid, place.gid))


def _copy_readable(prefix: Path, copy: Path) -> None:
    package = prefix.parent
    libraries = package.with_name(f"{package.name}.libs")  # where wheels keep what their binaries link to
    fresh = Path(tempfile.mkdtemp(prefix="unfinished-", dir=copy.parent))
    headers = shutil.ignore_patterns("include")
    shutil.copytree(prefix, fresh / package.name / prefix.name, symlinks=True, ignore=headers)
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    fresh.rename(copy)


def _initialize(place: Place, *, binaries: Path, settings: Sequence[str]) -> None:
    fresh = Path(tempfile.mkdtemp(prefix="unfinished-", dir=place.base))
    os.chown(fresh, place.uid, place.gid)
    command = [os.fspath(binaries / "initdb"), "-D", os.fspath(fresh), "-U", SUPERUSER, "-A", "peer", "-E", "UTF8"]
    command += ["--locale=C", "--no-instructions", *(["--no-sync"] if "fsync=off" in settings else [])]
    with keeper.append_to(place.log) as log:
        logged = log.tell()
        if tools.run_tool(command, log, **keeper.credentials(place.uid, place.gid)):
            raise LocalPgError(f"the database could not be created: {tools.tail_of(place.log, logged)}")
    fresh.rename(place.data)
    base = os.open(place.base, os.O_RDONLY)
    try:
        os.fsync(base)
    finally:
        os.close(base)


def _make_socket_folder(place: Place) -> None:
    run = place.base / "run"
    if run.is_symlink():
        run.unlink()
    elif run.exists():
        shutil.rmtree(run)  # its data may have been moved to where the path is too long
    if len(os.fsencode(run)) > _SOCKET_FOLDER_BYTES or "," in os.fspath(run):  # a comma parts hosts in an address
        folder = Path(tempfile.mkdtemp(prefix="zegel-", dir="/tmp"))  # TMPDIR may be long, or closed to others
        run.symlink_to(folder)
    else:
        folder = run
        folder.mkdir(mode=0o700)
    os.chown(folder, place.uid, place.gid)


def _write_access_rules(place: Place) -> None:
    """Only this process's own account may connect, in any role; not even the server's, where that is another."""
    account = pwd.getpwuid(os.geteuid()).pw_name
    for name, rule in (("pg_hba.conf", "local all all peer map=holder"), ("pg_ident.conf", f'holder "{account}" all')):
        (place.base / name).write_text(rule + "\n")
        (place.base / name).chmod(0o644)
