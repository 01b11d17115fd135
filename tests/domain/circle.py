"""Several members in memory who may bring each other, with what the clock carries from one to another."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain import bonuses, commands
from app.domain.commands import Enrolment, Facts, Identity, Reference, ReferralClaim
from app.domain.effects import Friends
from app.domain.events import Decision, Recorded
from app.domain.rules import Rules, Versions
from app.domain.state import MemberState, Scheduled
from tests.domain.builders import NOW, Books, card, command, decide, settle, wrong


def code_of(member: int) -> Identity:
    """The code by which friends name a member."""
    return Identity("code", f"code {member}", f"code {member}".encode().ljust(16))


def id_of(member: int) -> bytes:
    """The id of a member of a circle."""
    return f"member {member}".encode().ljust(16)


@dataclass
class Circle:
    """Members by number; what one schedules for another reaches them when `deliver` or `settle` is called."""

    rules: Rules | Versions
    now: datetime = NOW
    books: dict[int, Books] = field(default_factory=dict)
    waiting: list[Scheduled] = field(default_factory=list)

    def join(self, member: int, *, by: int | None = None, reasons: tuple[str, ...] = ()) -> Decision:
        """Somebody enrols, perhaps by a friend's code."""
        self.books[member] = Books(self.rules, now=self.now, state=MemberState(id=id_of(member)))
        code = None if by is None else code_of(by)
        return self.do(member, Enrolment((card(str(member)),), referral_code=code), reasons=reasons)

    def claim(self, member: int, *, by: int, reasons: tuple[str, ...] = ()) -> Decision:
        """Somebody names a friend later."""
        return self.do(member, ReferralClaim(code_of(by)), reasons=reasons)

    def do(self, member: int, facts: Facts, *, reasons: tuple[str, ...] = (), **more: Any) -> Decision:
        """What comes of a command; kept unless it is refused."""
        mine = self.books[member]
        who = Reference() if isinstance(facts, Enrolment) else Reference(id_of(member))
        said: dict[str, Any] = {"at": self.now, "member": who} | more
        asked = command(facts, **said)
        named = tuple(mine.earlier(of) for of in commands.names(asked))
        decision = decide(
            mine.state,
            asked,
            rules=self.rules,
            now=self.now,
            named=named,
            identities={code_of(other).digest: id_of(other) for other in self.books},
            friends=Friends(reasons, refers=any(x.state.referrer == id_of(member) for x in self.books.values())),
        )
        if decision.refusal is None:
            self._keep(mine, decision)
        return decision

    def deliver(self) -> None:
        """What has fallen due for members reaches them."""
        due = [one for one in self.waiting if one.due_at <= self.now]
        self.waiting = [one for one in self.waiting if one not in due]
        for one in due:
            mine = next(x for x in self.books.values() if x.state.id == one.member_id)
            mine.state = mine.state._replace(scheduled=(*mine.state.scheduled, one))

    def settle(self) -> list[Recorded]:
        """Everything that is due, until nothing is."""
        told: list[Recorded] = []
        for _ in range(8):
            self.deliver()
            busy = [x for x in self.books.values() if x.state.scheduled]
            if not busy:
                return told
            for mine in busy:
                decision = settle(mine.state, now=self.now, rules=self.rules)
                told += [one.recorded for one in decision.events]
                self._keep(mine, decision)
        raise AssertionError("there is no end to what is due")

    def _keep(self, mine: Books, decision: Decision) -> None:
        mine.state = decision.state
        mine.posted += decision.events
        self.waiting += decision.schedules

    def points(self, member: int) -> int:
        """What a member has."""
        account = self.books[member].state.accounts.get("points")
        return 0 if account is None else account.balance

    def given(self, member: int) -> int:
        """What bringing and being brought has given a member, less what was taken back."""
        kinds = ("referral_bonus", "referral_reversal")
        posted = [one.recorded for one in self.books[member].posted]
        return sum(entry.points for event in posted if event.kind in kinds for entry in event.entries)

    def told(self, member: int) -> list[tuple[str, dict[str, Any]]]:
        """The messages about a member's referrals."""
        bodies = [json.loads(m.body) for one in self.books[member].posted for m in one.messages]
        return [(body["type"], body["data"]) for body in bodies if body["type"].startswith("referral.")]

    def wrong(self) -> list[str]:
        """What the proof of everybody's books finds."""
        return [found for mine in self.books.values() for found in wrong(mine)]

    def standing(self) -> dict[tuple[bytes, str], int]:
        """Per referee and side, how many bonuses stand (semantics F5)."""
        counts: dict[tuple[bytes, str], int] = {}
        for mine in self.books.values():
            for one in mine.posted:
                prefix, _, rest = one.recorded.key.partition(":")
                if one.recorded.kind in ("referral_bonus", "referral_reversal"):
                    referee, side, _ = rest.split(":")
                    pair = (bytes.fromhex(referee), bonuses.Side(side).value)
                    counts[pair] = counts.get(pair, 0) + (1 if prefix == "ref" else -1)
        return counts
