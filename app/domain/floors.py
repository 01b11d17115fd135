"""Tiers that were given until an instant: below them their member does not stand (semantics T4, T7)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from app.domain import calendar
from app.domain.ladders import Ladder
from app.domain.state import Floor

BY_HAND = ""
"""The rule of a floor that a person set."""

Floors = tuple[Floor, ...]


def added(floors: Floors, more: Iterable[Floor], *, zone: ZoneInfo) -> Floors:
    """The floors with more: one given again for a time runs on from the later of its end and now (semantics T7)."""
    return _dated((*floors, *more), zone)


def without(floors: Floors, gone: Iterable[Floor], *, zone: ZoneInfo) -> Floors:
    """The floors as if some had never been given: what ran on from them moves up."""
    names = {(floor.sequence, floor.rule, floor.tier) for floor in gone}
    return _dated((floor for floor in floors if (floor.sequence, floor.rule, floor.tier) not in names), zone)


def by_hand(floors: Floors, ladder: str) -> Floors:
    """What a person has set on a ladder: one floor at most."""
    return tuple(floor for floor in floors if floor.ladder == ladder and floor.rule == BY_HAND)


def running(floors: Floors, instant: datetime) -> Floors:
    """The floors that hold beyond an instant; those that ran on from each other end together."""
    return tuple(floor for _, chain, end in _chains(floors) if end is None or end > instant for floor in chain)


def rank(floors: Floors, ladder: Ladder) -> int:
    """The highest tier of the ladder that is given."""
    return max((ladder.rank(floor.tier) for floor in floors if floor.ladder == ladder.code), default=0)


def holds_until(floors: Floors, ladder: Ladder, rank: int) -> tuple[bool, datetime | None]:
    """Whether a floor holds the tier of this rank, and until when; None while nobody removes it."""
    mine = [end for of, _, end in _chains(floors) if of[0] == ladder.code and ladder.rank(of[1]) >= rank]
    ends = [end for end in mine if end is not None]
    return bool(mine), max(ends) if mine and len(ends) == len(mine) else None


def next_end(floors: Floors) -> datetime | None:
    """The next instant at which one of them ends."""
    return min((end for _, _, end in _chains(floors) if end is not None), default=None)


def _chains(floors: Floors) -> list[tuple[tuple[str, str, bool], Floors, datetime | None]]:
    """What was given together: of one tier, by rules or by hand; with the end of it all."""
    chains = []
    for of, found in groupby(sorted(floors, key=_order), key=_chain):
        chain = tuple(found)
        ends = [floor.ends_at for floor in chain if floor.ends_at is not None]
        chains.append((of, chain, max(ends) if len(ends) == len(chain) else None))
    return chains


def _dated(floors: Iterable[Floor], zone: ZoneInfo) -> Floors:
    dated: list[Floor] = []
    for _, chain in groupby(sorted(floors, key=_order), key=_chain):
        end: datetime | None = None
        for floor in chain:
            if floor.lasts is not None:
                first = floor.given_at if end is None or end <= floor.given_at else end - timedelta.resolution
                day = calendar.add(calendar.local_day(first, zone), floor.lasts)
                floor = floor._replace(ends_at=calendar.end_of_day(day, zone))
                end = floor.ends_at
            dated.append(floor)
    return tuple(dated)


def _chain(floor: Floor) -> tuple[str, str, bool]:
    return floor.ladder, floor.tier, floor.rule == BY_HAND


def _order(floor: Floor) -> tuple[tuple[str, str, bool], int, str]:
    return _chain(floor), floor.sequence, floor.rule
