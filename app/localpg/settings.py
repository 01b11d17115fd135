"""What the embedded server is started with."""

import os
from contextlib import suppress
from pathlib import Path

SUPERUSER = "postgres"
_GIB = 1024**3


def production_settings(memory: int) -> tuple[str, ...]:
    """Settings for real data on a machine with so many bytes of memory (docs/architecture.md, Processes)."""
    shared = min(memory // 4, 3 * _GIB) // 1024**2
    return (f"shared_buffers={shared}MB", "max_wal_size=8GB", "checkpoint_timeout=30min")


def _memory() -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max" is no number
            total = min(total, int(Path(limit).read_text()))
    return total


PRODUCTION: tuple[str, ...] = production_settings(_memory())
TEST: tuple[str, ...] = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
