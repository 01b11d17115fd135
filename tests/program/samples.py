"""Members of the sample programs, whose books are kept in memory as the ledger keeps them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.domain import tiers
from app.domain.commands import Command, Enrolment, Facts
from app.domain.events import Decision
from app.domain.rules import Rules
from app.domain.state import MemberState
from app.program import compiling, reading
from tests.domain.builders import ANNA, Books, on

PROGRAMS = Path(__file__).parents[2] / "programs"


def compiled(name: str) -> Rules:
    """The rules of a sample, in force from the beginning of 2026."""
    document = reading.read_new((PROGRAMS / f"{name}.yaml").read_bytes())
    digest = reading.digest(reading.canonical(document))
    return compiling.compile_rules(document, version=1, digest=digest, in_force_from=datetime(2026, 1, 1, tzinfo=UTC))


class Member(Books):
    """Somebody's books, in which what is due is settled before each command and schedules fall due."""

    def do(self, facts: Facts | Command, **more: Any) -> Decision:
        """What comes of a command now, after what was due by then."""
        self.settle()
        decision = super().do(facts, **more)
        if decision.refusal is None:
            self.state = self.state._replace(scheduled=(*self.state.scheduled, *decision.schedules))
        return decision

    def until(self, day: str, clock: str = "09:00") -> "Member":
        """On another day, with what the worker has written down by then."""
        self.now = on(day, clock)
        self.settle()
        return self

    def balances(self) -> dict[str, int]:
        """What stands on each account that has anything."""
        return {code: one.balance for code, one in self.state.accounts.items() if one.balance}

    def tier(self) -> str:
        """The tier of the only ladder."""
        assert isinstance(self.rules, Rules)
        (ladder,) = self.rules.ladders
        return tiers.standing(self.state.accounts, self.state.tiers, ladder, given=self.state.floors).tier.code

    def told(self, of: str) -> list[str]:
        """The types of messages about something, such as rewards, in order."""
        types = [message.type for one in self.posted for message in one.messages]
        return [type for type in types if type.startswith(f"{of}.")]

    def days(self, kind: str) -> list[str]:
        """The days, by the program's clocks, on which events of a kind gave something."""
        assert isinstance(self.rules, Rules)
        zone = self.rules.zone
        found = [one.recorded for one in self.posted if one.recorded.kind == kind and one.recorded.entries]
        return [one.effective_at.astimezone(zone).date().isoformat() for one in found]


def member(name: str, *, joined: str) -> Member:
    """Somebody who joins a sample program on a day, at nine in the morning."""
    made = Member(compiled(name), now=on(joined), state=MemberState(id=ANNA))
    made.do(Enrolment())
    return made
