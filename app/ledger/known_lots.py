"""The open lots of members lately looked at, so that a till that holds and then captures has them read once.

They are kept with the head of the member's chain: lots are written with events only, so whoever finds the head where it
was, under lock, finds the lots as they were, whatever other processes do. What was not committed is never kept.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.domain.state import MemberState, OpenLot

KEPT_LOTS = 30_000
"""So many lots and members in all, about 12 MB; those not asked for the longest go first."""


class _Known(NamedTuple):
    head: bytes
    lots: tuple[OpenLot, ...]


class KnownLots:
    """What a process remembers of open lots."""

    def __init__(self, *, most: int = KEPT_LOTS) -> None:
        self._most = most
        self._known: dict[bytes, _Known] = {}
        self._count = 0

    def of(self, states: Iterable[MemberState]) -> dict[bytes, MemberState]:
        """Those of the states whose lots are known, with them."""
        found = {}
        for state in states:
            known = self._known.get(state.id)
            if known is not None and known.head == state.head:
                found[state.id] = state._replace(lots=known.lots, lots_loaded=True)
        return found

    def keep(self, states: Iterable[MemberState], *, before: Mapping[bytes, bytes]) -> None:
        """Remembers the lots of states that have been committed; `before` are the members' heads as they were loaded.

        Where a member's lots were not loaded, the state has those only that were opened since.
        """
        for state in states:
            known = self._known.pop(state.id, None)
            if known is not None:
                self._count -= _weight(known)
            if state.lots_loaded:
                lots = state.lots
            elif known is not None and known.head == before.get(state.id):
                lots = (*known.lots, *state.lots)
            else:
                continue
            now = self._known[state.id] = _Known(state.head, lots)
            self._count += _weight(now)
        while self._count > self._most:
            oldest = self._known.pop(next(iter(self._known)))
            self._count -= _weight(oldest)


def _weight(known: _Known) -> int:
    return 1 + len(known.lots)
