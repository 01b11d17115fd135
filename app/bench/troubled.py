"""A shop in trouble, a process of its own: it never answers, takes its time, or is down every other moment."""

import itertools
import sys
from collections.abc import Callable

import uvloop

from app.bench import processes, shops
from app.bench.shops import Reply

SLOW_SECONDS = 2.0
_UP_AND_DOWN = 5
"""So many answers it gives, and so many it refuses."""


def _flapping() -> Callable[[bytes], Reply]:
    taken = itertools.count(1)
    return lambda _: Reply(b"503 Not now") if next(taken) // _UP_AND_DOWN % 2 else Reply()


TROUBLES: dict[str, Callable[[], Callable[[bytes], Reply]]] = {
    "dead": lambda: lambda _: Reply(after=None),
    "slow": lambda: lambda _: Reply(after=SLOW_SECONDS),
    "flapping": _flapping,
}


def main(trouble: str) -> None:
    """Receives until the standard input ends."""
    uvloop.run(_serve(TROUBLES[trouble]()))


async def _serve(reply: Callable[[bytes], Reply]) -> None:
    async with shops.open_shop(reply) as port:
        await processes.announce(port)


if __name__ == "__main__":
    main(sys.argv[1])
