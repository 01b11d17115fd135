"""When a worker starts, secrets that were stored before there was encryption are encrypted (webhooks W4)."""

from collections.abc import Callable

import structlog

from app.db.transactions import Engine
from app.operations import endpoints

PAGES = 10_000

log = structlog.get_logger(__name__)


async def seal_bare(engine: Engine, *, key: bytes, random: Callable[[int], bytes]) -> None:
    """Encrypts page after page. Trouble is logged; the next start goes on."""
    try:
        for _ in range(PAGES):
            if await endpoints.seal_bare(engine, key=key, random=random) == 0:
                return
    except Exception:
        log.exception("sealing_failed")
