"""Who used the processors, as Linux tells: seconds since each process, and the machine, started."""

import os
from collections.abc import Mapping
from pathlib import Path

CLIENT, SERVICE, DATABASE, RECEIVER, MACHINE = "client", "service", "database", "receiver", "machine"

_TICKS = os.sysconf("SC_CLK_TCK")


def used(watched: Mapping[str, int]) -> dict[str, float]:
    """Seconds used by the watched processes, this one (the client) and the whole machine.

    The database is known by its first process: its children, those that have ended too, count with it.
    """
    own = os.times()
    found = {CLIENT: own.user + own.system, MACHINE: _machine()}
    for name, pid in watched.items():
        found[name] = _tree(pid) if name == DATABASE else _seconds(pid, 2)
    return found


def memory(pid: int) -> float:
    """Megabytes of memory that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def parent(pid: int, *, called: str) -> int | None:
    """The parent of a process on this machine that goes by that name; None where there is none."""
    try:
        head, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return None
    return int(rest.split()[1]) if called in head else None


def _tree(pid: int) -> float:
    total = _seconds(pid, 4)  # with the children that have ended
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            total += _seconds(int(child), 2)
        except OSError:
            continue  # it has just ended, and counts with its parent the next time
    return total


def _seconds(pid: int, count: int) -> float:
    """The first `count` of: user, system, and the same of the children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11 : 11 + count]) / _TICKS


def _machine() -> float:
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, soft, steal, *_ = (int(word) for word in file.readline().split()[1:])
    return (user + nice + system + irq + soft + steal) / _TICKS
