"""All published versions of a program: which one judges."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.domain.rules.earning import ANY
from app.domain.rules.whole import Rules
from app.domain.units import Slides


@dataclass(frozen=True, slots=True)
class Versions:
    """All published versions of a program, by number.

    With a `trial`, which is not published, that one judges from its time on, whatever else is in force then.
    `brief` if a lot may end within hours of being earned, `milestones` if any has some, `consuming` if one draws lots;
    `sliding` are the kinds of events that keep accounts which end together, in any version (semantics L10).
    """

    all: tuple[Rules, ...]
    trial: Rules | None = None
    brief: bool = field(init=False)
    profiles: bool = field(init=False)
    """Whether any of them looks at what members are, or tags them (semantics M5)."""
    _latest_first: tuple[Rules, ...] = field(init=False)
    milestones: bool = field(init=False)
    consuming: bool = field(init=False)
    sliding: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        units = [unit for rules in self._each() for unit in rules.units.values()]
        slides = (unit.expiry.events for unit in units if isinstance(unit.expiry, Slides))
        object.__setattr__(self, "profiles", any(one.reads.tags or one.reads.profile for one in self._each()))
        milestones = [milestone for rules in self._each() for milestone in rules.milestones]
        object.__setattr__(self, "brief", any(unit.brief for unit in units))
        object.__setattr__(self, "_latest_first", tuple(sorted(self.all, key=_coming, reverse=True)))
        object.__setattr__(self, "milestones", bool(milestones))
        object.__setattr__(self, "consuming", any(milestone.consume for milestone in milestones))
        object.__setattr__(self, "sliding", ANY.union(*slides))

    def at(self, instant: datetime) -> Rules:
        """The version in force at an instant: the one whose time came last; before the first, the first (semantics E3).

        Of versions with the same time the later published one counts: so a version that waits can be replaced.
        """
        if self.trial is not None and self.trial.in_force_from <= instant:
            return self.trial
        for rules in self._latest_first:
            if rules.in_force_from <= instant:
                return rules
        return self._latest_first[-1]

    def numbered(self, version: int) -> Rules:
        """The version of this number. Raises KeyError if none is."""
        for rules in self._each():
            if rules.version == version:
                return rules
        raise KeyError(version)

    def as_judged(self, judged: Iterable[tuple[datetime, int]]) -> "Versions":
        """The versions as they were known when at each instant the version of that number judged.

        While a version is being published, events are still judged by the one before it: its time is a little before
        anybody knows of it.
        """
        unknown = {
            rules.version
            for instant, number in judged
            for rules in self.all
            if rules.in_force_from <= instant and _coming(rules) > _coming(self.numbered(number))
        }
        if not unknown:
            return self
        return replace(self, all=tuple(rules for rules in self.all if rules.version not in unknown))

    def _each(self) -> Iterator[Rules]:
        yield from self.all
        if self.trial is not None:
            yield self.trial


def _coming(rules: Rules) -> tuple[datetime, int]:
    return rules.in_force_from, rules.version
