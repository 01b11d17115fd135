"""How what several rules give comes together: groups, multipliers and caps, as a program states them (A4, A5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.periods import LIFETIME, Within

PROGRAM = "program"
"""The holder of the caps of the whole program."""


class Combine(StrEnum):
    """How the rules of a group count: all of them, the one that gives most, or the first that gives anything (A4)."""

    SUM = "sum"
    BEST = "best"
    FIRST = "first"


class Multipliers(StrEnum):
    """How the multipliers of a unit come together on a line (A4)."""

    PRODUCT = "product"
    SUM = "sum"
    BEST = "best"


class Per(StrEnum):
    """What a cap counts over: one event, one member, or all members of the program (A5)."""

    EVENT = "event"
    MEMBER = "member"
    PROGRAM = "program"


Room = Sequence[int | None]
"""How many points, and how many times, a cap still leaves; None where it does not limit that."""


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a holder (`rule:base`, `group:happy`, `unit:points`, `program`) gives in each of the periods.

    In smallest parts, in events in which it gives anything, or in both. `counter` is under which its usage is kept.
    """

    holder: str
    per: Per
    points: int | None = None
    times: int | None = None
    within: Within = LIFETIME
    counter: str = field(init=False)

    def __post_init__(self) -> None:
        whose = "all" if self.per is Per.PROGRAM else "cap"
        object.__setattr__(self, "counter", f"{whose}:{self.holder}:{self.within.code}")

    def room(self, found: Mapping[str, Room]) -> Room:
        """What is left under it, by what was found when the event was judged; all of it where nothing was."""
        whole = (self.points, self.times)
        return whole if self.per is Per.EVENT else found.get(self.counter, whole)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules of one unit that count together (A4)."""

    code: str
    combine: Combine = Combine.SUM
    caps: tuple[Cap, ...] = ()


def most(caps: Iterable[Cap], found: Mapping[str, Room]) -> int | None:
    """The most points that a holder of these caps may give in an event; None where nothing limits it."""
    least: int | None = None
    for cap in caps:
        points, times = cap.room(found)
        if times is not None and times <= 0:
            return 0
        if points is not None:
            least = max(0, points) if least is None else max(0, min(least, points))
    return least


def once_more(caps: Iterable[Cap], found: Mapping[str, Room]) -> bool:
    """Whether a holder of these caps may give anything once more, points aside."""
    rooms = (cap.room(found)[1] for cap in caps)
    return all(times is None or times > 0 for times in rooms)
