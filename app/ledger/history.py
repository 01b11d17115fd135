"""What was recorded earlier that a batch's decisions look back at, read under the lock (architecture §3.3b)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.db import loading
from app.domain import following, milestones, opening, reopening, reviving, settling, transfers
from app.domain.commands import Command, Opening, Transfer
from app.domain.events import Recorded
from app.domain.rules import Versions
from app.domain.state import MemberState, OpenLot
from app.ledger import parking
from app.ledger.folding import member_of
from app.ledger.mentions import Mentions


class History(NamedTuple):
    """Earlier events, each part as the fold keeps it, and the lots that some of them drew from."""

    by_id: dict[bytes, Recorded]
    about: dict[bytes, list[Recorded]]
    milestones: dict[bytes, list[Recorded]]
    since: Mapping[bytes, Sequence[Recorded]]
    firsts: dict[bytes, Recorded]
    recent: dict[bytes, list[Recorded]]
    closed: Sequence[Mapping[bytes, Mapping[tuple[int, int], OpenLot]]]

    def reopened(self, states: Mapping[bytes, MemberState]) -> dict[bytes, MemberState]:
        """The states that know these lots too, of which nothing remains."""
        known = dict(states)
        for closed in self.closed:
            for id in closed.keys() & known.keys():
                known[id] = known[id]._replace(closed={**known[id].closed, **closed[id]})
        return known


async def of(
    connection: Any,
    said: Mentions,
    found: loading.Circumstances,
    versions: Versions,
    *,
    program_id: bytes,
    late: Mapping[bytes, datetime],
    now: datetime,
) -> History:
    """The events that commands name, with what followed; and of some members what their decisions look at besides."""
    commands = said.commands
    past = await _past(connection, said, found, program_id=program_id)
    undoing = {member_of(c, found.identities) for c in commands if versions.milestones and milestones.undone_by(c)}
    reached, consumed = await loading.milestones(connection, found.states.keys() & undoing, program_id=program_id)
    looked_at = reviving.kinds(versions)
    since = await loading.since(connection, late, program_id=program_id, kinds=looked_at, drawing=settling.EXPIRY)
    opened = [id for id in _members_of(commands, Opening, found) if found.states[id].sequence > 1]
    firsts = await loading.firsts(connection, opened, program_id=program_id, passed=opening.BEFORE)
    givers, looked_back = _members_of(commands, Transfer, found), now - transfers.LOOKS_BACK
    recent = await loading.recent(connection, givers, program_id=program_id, kinds=transfers.RECENT, since=looked_back)
    drawn = (past.closed, consumed, since.closed)
    return History(past.by_id, past.about, reached, since.events, firsts, recent, drawn)


async def followed(
    connection: Any, said: Mentions, found: loading.Circumstances, *, program_id: bytes
) -> dict[bytes, tuple[Recorded, ...]]:
    """What followed on the events that are sent again, by their ids; asks nothing where all are new, or the last."""
    if not found.recorded:
        return {}
    keys, states = {parking.key_of(command) for command in said.commands}, found.states
    again = [
        event
        for key, event in found.recorded.items()
        if key in keys and (event.member_id not in states or states[event.member_id].sequence > event.sequence)
    ]
    later = await loading.behind(connection, again, program_id=program_id)
    return {event.id: following.of(event, later.get(event.member_id, {})) for event in again}


def late(commands: Iterable[Command], found: loading.Circumstances, versions: Versions) -> dict[bytes, datetime]:
    """The members of whom an event may undo what had been written down, each with when the first of these occurred."""
    late: dict[bytes, datetime] = {}
    for command in commands:
        if versions.sliding or reopening.is_offline(command):
            id = member_of(command, found.identities)
            state = None if id is None else found.states.get(id)
            if state is not None and reopening.looks_back(state, command, versions):
                late[state.id] = min(command.occurred_at, late.get(state.id, command.occurred_at))
    for one in found.waiting.values() if versions.sliding else ():
        state = found.states.get(one.member_id)
        if state is not None and reviving.concerns(state, one.kind, one.occurred_at, versions):
            late[state.id] = min(one.occurred_at, late.get(state.id, one.occurred_at))
    return late


async def _past(connection: Any, said: Mentions, found: loading.Circumstances, *, program_id: bytes) -> loading.Past:
    """The events that commands name, by id or key, with what has been recorded about them."""
    ids = [of.event_id for of in said.events if of.event_id is not None]
    keys = {(of.source, of.kind, of.key) for of in said.events if of.event_id is None}
    known = [found.recorded[key] for key in keys if key in found.recorded]
    return await loading.past(connection, program_id=program_id, ids=ids, found=known)


def _members_of(commands: Iterable[Command], facts: type, found: loading.Circumstances) -> set[bytes]:
    """The known members whom commands of a kind are about."""
    said = {member_of(command, found.identities) for command in commands if isinstance(command.facts, facts)}
    return {id for id in said if id is not None and id in found.states}
