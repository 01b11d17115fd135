"""What the demo has seen the service do, counted from its answers alone."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOWEST_TIER = "bronze"
_SURPRISES = 20


@dataclass(slots=True)
class Person:
    """A member, as their shops know them: `name` is the identity on the card or in the app."""

    name: str
    id: str
    code: str | None = None
    available: int = 0
    tier: str = LOWEST_TIER
    busy: bool = False
    receipt: tuple[str, str] | None = None
    """The shop and the id of their last purchase."""


@dataclass(slots=True)
class Tally:
    """Counts of a run. `acknowledged` has each event's points by unit, by source, type and the sender's id."""

    acknowledged: dict[tuple[str, str, str], Mapping[str, int]] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    by_friend: int = 0
    issued: int = 0
    redeemed: int = 0
    taken_back: int = 0
    duplicates: int = 0
    replayed: int = 0
    uploads: int = 0
    waited: int = 0
    refused: int = 0
    surprises: list[str] = field(default_factory=list)

    @property
    def events(self) -> int:
        return len(self.acknowledged)

    def tiers(self) -> Counter[str]:
        """Members per tier."""
        return Counter(person.tier for person in self.people.values())

    def acknowledge(self, event: Mapping[str, Any]) -> None:
        """Notes an event that the service says it has recorded."""
        points: Counter[str] = Counter()
        for entry in event["entries"]:
            points[entry["unit"]] += entry["points"]
        self.acknowledged[event["source"], event["type"], event["source_id"]] = points
        self.kinds[event["type"]] += 1
        moved = [entry["points"] for entry in event["entries"] if entry["unit"] == "points"]
        given, gone = sum(max(one, 0) for one in moved), sum(max(-one, 0) for one in moved)
        if event["type"] == "return":
            self.taken_back += gone - given
        else:
            self.issued += given
            self.redeemed += gone
        person = self.people.get(event["member"])
        if person is not None:
            person.available = event["accounts"].get("points", {}).get("available", person.available)
            person.tier = next((change["tier"] for change in event["tier_changes"]), person.tier)

    def surprise(self, text: str) -> None:
        """Notes an answer that should not have been."""
        if len(self.surprises) < _SURPRISES:
            self.surprises.append(text)
