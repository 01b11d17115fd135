"""Turning what was decided into a numbered, hashed event with its messages."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from app.domain import chain, lots, messages, notices, sliding, tiers
from app.domain.commands import CLOCK, Hold
from app.domain.events import ENGINE, Entry, Message, Posted, Recorded
from app.domain.replacing import quick
from app.domain.rules import Rules, Versions
from app.domain.state import Account, MemberState, Scheduled
from app.domain.steps import Step

EXPIRY = "expiry"
"""The kind of events by which points end (semantics L10)."""
REVIVAL = "expiry_reversal"
"""The kind of events that undo such an end, wholly or in part (semantics L6, L10)."""
_LATE_ENDS_SINCE = 3
"""The engine since which the end of points that came too late for a review takes nothing from what it found."""
_NEVER_ACTIVE_SINCE = 3
"""The engine since which points that had ended before they came count toward no tier until then."""

_ENDS_KEPT_SINCE = 3
"""The engine since which an event keeps until when it leaves accounts that slide."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Where new ids and random bytes come from: an argument, so that decisions stay pure."""

    fresh: Callable[[], bytes]
    """A new UUIDv7."""
    random: Callable[[int], bytes]


class Moment(NamedTuple):
    """When and under what a member's command is judged.

    `recorded_at` is the batch's time, never before the member's last; `judged_at` is the `now` of the rules, which
    differs where history is sent (semantics E3, E7). `silent`: nothing is told to shops or scheduled. `engine` is the
    number of the behavior asked for: an older one where an older event is decided on again.
    """

    program_id: bytes
    versions: Versions
    recorded_at: datetime
    judged_at: datetime
    silent: bool
    ids: Ids
    engine: int = ENGINE
    """Whose behavior is asked for: a proof asks for that of the event's own engine (architecture §4)."""
    settled_until: datetime | None = None
    """Up to when all had been settled before: what falls due until then came too late to have counted (T2)."""


Tell = tuple[str, Mapping[str, Any]]
"""A message to send: its type, and what its body carries besides the common part."""


@quick
class Draft(NamedTuple):
    """An event as decided, before it has a number and a hash."""

    id: bytes
    source: str
    kind: str
    key: str
    occurred_at: datetime
    effective_at: datetime
    rules: Rules
    digest: bytes
    facts: bytes
    context: Mapping[str, Any]
    entries: tuple[Entry, ...] = ()
    steps: tuple[Step, ...] = ()
    flags: tuple[str, ...] = ()
    particulars: bytes = b""
    tells: tuple[Tell, ...] = ()
    about: bytes | None = None
    before: Mapping[str, Account] | None = None
    """The accounts before it, where it may cost a tier at once (semantics T5)."""
    given: tuple[tiers.Moved, ...] = ()
    """Tiers that it gives by itself (semantics E7)."""
    schedules: tuple[Scheduled, ...] = ()
    """What the clock brings in turn, where the clock brought it."""
    as_of: datetime | None = None
    """The instant at which tiers are judged, where it is not that of the command: what the clock brings (K2)."""


def post(state: MemberState, draft: Draft, moment: Moment) -> tuple[MemberState, Posted]:
    """Numbers the event, moves the member to the tiers they reached, links it into the chain, and writes its messages.

    `state` already has the entries' effect on accounts and lots.
    """
    sequence = state.sequence + 1
    now = moment.judged_at if draft.as_of is None else draft.as_of
    begins = () if draft.kind == REVIVAL else draft.entries  # what undoes an end says itself until when it lasts
    state = sliding.moved(state, draft.rules, kind=draft.kind, occurred_at=draft.occurred_at, entries=begins, now=now)
    state = notices.armed(state, draft.rules, drew=_drew(draft), now=now)
    accounts = lots.by_the_instant(state.accounts, state.lots, now=moment.judged_at)
    happened = tiers.Happened(
        draft.rules,
        draft.occurred_at,
        now,
        sequence,
        _qualifying(state, accounts, draft.as_of, moment),
        draft.before if draft.rules.returns_lower_tiers else None,
        () if draft.kind == EXPIRY and moment.engine >= _LATE_ENDS_SINCE else draft.entries,
    )
    moved = draft.given + tiers.moved(state, happened, passed=[term.ladder for term, _ in draft.given])
    if moved:
        state = state._replace(tiers=(*state.tiers, *(term for term, _ in moved)))
        draft = draft._replace(tells=(*draft.tells, *_tier_tells(moved)))
    if moved or state.floors or state.tiers_due_at is not None:
        state = state._replace(tiers_due_at=tiers.due_at(state))
    salt = moment.ids.random(16) if draft.particulars else b""
    content = _content(state, draft, moment, salt=salt)
    recorded = Recorded(
        id=draft.id,
        member_id=state.id,
        sequence=sequence,
        source=draft.source,
        kind=draft.kind,
        key=draft.key,
        occurred_at=draft.occurred_at,
        effective_at=draft.effective_at,
        recorded_at=moment.recorded_at,
        rules_version=draft.rules.version,
        engine=moment.engine,
        digest=draft.digest,
        content=content,
        hash=chain.event_hash(state.head, content, draft.entries),
        entries=draft.entries,
        steps=draft.steps,
        accounts=lots.balances(accounts, ends=moment.engine >= _ENDS_KEPT_SINCE),
        tier_changes=tuple((change.ladder, change.before, change.after) for _, change in moved if change is not None),
        flags=draft.flags,
        about=draft.about,
    )
    told = () if _quiet(state, draft, moment) else tuple(_messages(state, draft, recorded, accounts, moment))
    state = state._replace(
        sequence=sequence,
        messages=state.messages + len(told),
        head=recorded.hash,
        recorded_at=moment.recorded_at,
        judged_at=moment.judged_at,
    )
    return state, Posted(recorded, told, salt, draft.particulars, draft.schedules)


def _qualifying(
    state: MemberState, accounts: Mapping[str, Account], as_of: datetime | None, moment: Moment
) -> Mapping[str, Account]:
    """The accounts that tiers follow from: as of what the clock brings, but for what had ended before it came (T2)."""
    settled_until = moment.settled_until if moment.engine >= _NEVER_ACTIVE_SINCE else None
    if as_of is None or (settled_until is not None and as_of <= settled_until):
        return accounts
    return lots.by_the_instant(state.accounts, state.lots, now=as_of)


def _drew(draft: Draft) -> bool:
    """Whether it may have taken from lots, kept points of them or freed them: then all of them are loaded."""
    held = draft.about is not None or draft.kind == Hold.kind
    return held or draft.as_of is not None or any(entry.draws for entry in draft.entries)


def _content(state: MemberState, draft: Draft, moment: Moment, *, salt: bytes) -> bytes:
    """The bytes that are hashed, of the member's next event."""
    return chain.encode_content(
        chain.Content(
            program_id=moment.program_id,
            member_id=state.id,
            event_id=draft.id,
            sequence=state.sequence + 1,
            source=draft.source,
            kind=draft.kind,
            key=draft.key,
            occurred_at=draft.occurred_at,
            effective_at=draft.effective_at,
            recorded_at=moment.recorded_at,
            judged_at=moment.judged_at,
            rules_version=draft.rules.version,
            rules_digest=draft.rules.digest,
            engine=moment.engine,
            silent=moment.silent,
            digest=draft.digest,
            facts=draft.facts,
            context=chain.compact(draft.context) if draft.context else b"",
            particulars_hash=chain.particulars_hash(draft.particulars, salt=salt),
        )
    )


def by_clock(
    kind: str,
    key: str,
    instant: datetime,
    rules: Rules,
    moment: Moment,
    *,
    entries: tuple[Entry, ...] = (),
    tells: tuple[Tell, ...],
    facts: bytes = b"",
) -> Draft:
    """An event that the clock brings: effective at its own instant, and judged as of it (semantics L7, K2)."""
    return Draft(
        id=moment.ids.fresh(),
        source=CLOCK,
        kind=kind,
        key=key,
        occurred_at=instant,
        effective_at=instant,
        rules=rules,
        digest=bytes(chain.DIGEST_BYTES),
        facts=facts,
        context={},
        entries=entries,
        tells=tells,
        as_of=instant,
    )


def _tier_tells(moved: tuple[tiers.Moved, ...]) -> Iterator[Tell]:
    """What is told of steps up and down; of ladders with reviews also when the next one is."""
    for term, change in moved:
        if change is not None:
            type = messages.UPGRADED if change.up else messages.DOWNGRADED
            said = {"ladder": change.ladder, "before": change.before, "tier": change.after}
            review = {} if term.review_at is None else {"review_at": messages.time_text(term.review_at)}
            yield type, said | review


def _quiet(state: MemberState, draft: Draft, moment: Moment) -> bool:
    """History is not told, nor what the clock brings for instants before the history was sent (semantics E7).

    What another member brings, under the clock's name too, is told whenever it occurred.
    """
    past = state.quiet_before is not None and draft.effective_at < state.quiet_before
    return moment.silent or (draft.as_of is not None and past)


def _messages(
    state: MemberState, draft: Draft, recorded: Recorded, accounts: Mapping[str, Account], moment: Moment
) -> list[Message]:
    return [
        Message(
            moment.ids.fresh(),
            number,
            type,
            messages.body(type, event=recorded, number=number, accounts=accounts, extra=extra),
        )
        for number, (type, extra) in enumerate(draft.tells, start=state.messages + 1)
    ]


def by_unit(entries: tuple[Entry, ...]) -> dict[str, int]:
    """The points of entries, per unit, without sign."""
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.unit] = sums.get(entry.unit, 0) + abs(entry.points)
    return sums
