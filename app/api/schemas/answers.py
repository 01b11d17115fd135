"""Events, as answers show them: a function of what is stored, the same for the first answer and every later read."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from app.api.languages import Telling
from app.api.schemas import lines
from app.api.schemas.common import MINOR_UNITS, Out, Page, time
from app.api.schemas.lines import AccountOut, DrawOut, EntryOut, GiftOut, StepOut, TierChangeOut
from app.domain import explaining, holds, money, reasons, returns, transfers, typeid
from app.domain.commands import Hold, Transfer, TransferIn
from app.domain.events import Draw, Recorded
from app.domain.parking import Parked
from app.domain.rules import Rules
from app.domain.steps import MISSING
from app.queries.waiting import TurnedAway

RECEIPT_WIDTH = 40

FOLLOWED = {
    "id": "evt_01jcr8m4kdf0v8y5h3q2z7x9wc",
    "type": "milestone",
    "sequence": 12,
    "entries": [
        {
            "position": 0,
            "unit": "stamps",
            "points": -7,
            "balance_after": 0,
            "available_at": None,
            "expires_at": None,
            "draws": [{"sequence": 11, "position": 1, "points": 7}],
        }
    ],
    "accounts": {"stamps": {"balance": 0, "available": 0, "pending": 0, "held": 0, "deficit": 0}},
    "tier_changes": [],
    "gifts": [{"kind": "reward", "code": "free_coffee", "taken_back": False}],
    "explanation": [
        {"rule": "card", "unit": "stamps", "step": "consumed", "points": "7"},
        {"rule": "card", "unit": "", "step": "reward", "points": "free_coffee"},
    ],
}
"""A stamp card that is full, and handed in for a coffee: an example."""


class FollowedOut(Out):
    """An event that another one brought with it."""

    id: str | None = Field(default=None, description="Dry runs have none.", examples=["evt_01jcr8m4kdf0v8y5h3q2z7x9wc"])
    type: str = Field(examples=["milestone", "milestone_reversal", "expiry", "activation", "tier_review"])
    sequence: int | None = Field(default=None, description="Its number among the member's events. Dry runs have none.")
    entries: list[EntryOut]
    accounts: dict[str, AccountOut] = Field(description="After it: of the last that followed, what the member has now.")
    tier_changes: list[TierChangeOut]
    gifts: list[GiftOut] = Field(description="Rewards, tags and tiers that it gave, or took back.")
    about: str | None = Field(default=None, description="The earlier event that it takes back.")
    explanation: list[StepOut] | None = None


class EventOut(Out):
    """One recorded event."""

    id: str = Field(examples=["evt_01jcr8m4kdf0v8y5h3q2z7x9wb"])
    type: str
    source: str = Field(description="The shop that sent it; `zegel` for what the clock brought.")
    source_id: str = Field(description="The sender's own id.")
    member: str
    sequence: int = Field(description="The member's events are numbered 1, 2, 3, … without gaps.")
    occurred_at: str
    effective_at: str
    recorded_at: str
    rules_version: int
    entries: list[EntryOut]
    accounts: dict[str, AccountOut]
    tier_changes: list[TierChangeOut]
    flags: list[str] = Field(examples=[["clock_corrected"]])
    about: str | None = Field(
        default=None, description="The earlier event that it is about: what it takes back, captures, frees or changes."
    )
    other: str | None = Field(
        default=None,
        description="Of points that were passed on: the member on the other side. For the receiver, `about` is the "
        "giver's event.",
    )
    reserved: list[DrawOut] | None = Field(
        default=None, description="Of a hold: the points it set aside, by the lots that it keeps them of."
    )
    followed: list[FollowedOut] | None = Field(
        default=None,
        description="What it brought with it in the same commit, in order: milestones that it reached or cost, tiers "
        "that it brought back, ends of points that were over by then. Left out where nothing followed.",
        examples=[[FOLLOWED]],
    )
    explanation: list[StepOut] | None = None
    summary: dict[str, str] | None = Field(
        default=None,
        description="By unit, how it came about in words, if a language was asked for.",
        examples=[{"points": "2 × 4.25 coffee at 1 per 1.00 = 8.5; silver ×1.25 = 10.6; rounded down: 10"}],
    )
    receipt: list[str] | None = Field(default=None, description="Lines of at most 40 characters, with what followed.")
    provisional: bool | None = Field(default=None, description="True in dry runs, whose events have no id.")


class LineLeftOut(Out):
    """What is left of a line."""

    id: str
    quantity: str
    amount: str


class LeftOut(Out):
    """What is left of a purchase, to be returned."""

    amount: str
    lines: list[LineLeftOut]


class EventFoundOut(EventOut):
    """One recorded event, as it stands."""

    left: LeftOut | None = Field(default=None, description="Of a purchase: what is left to be returned.")


class EventPage(Page):
    """Events, newest first."""

    events: list[EventOut]


class EventsFoundPage(Page):
    """What goes by one id, as it stands."""

    events: list[EventFoundOut]


class AwaitsOut(Out):
    """The event that is waited for, by the id its shop gave it."""

    source: str
    kind: str
    id: str


class ParkedOut(Out):
    """An event that waits for the one it names; it is recorded right after that one, or lapses."""

    outcome: str = Field(examples=["parked"])
    id: str | None = Field(default=None, description="The id that it will have. Dry runs have none.")
    type: str
    source: str
    source_id: str
    member: str
    occurred_at: str
    parked_at: str
    lapses_at: str
    awaits: AwaitsOut


class ParkedPage(Page):
    """What waits, newest first."""

    parked: list[ParkedOut]


class RefusedOut(Out):
    """An event that was refused the last time it was sent."""

    id: str = Field(examples=["ref_01jcr8m4kdf0v8y5h3q2z7x9wb"])
    type: str
    source: str
    source_id: str
    member: str | None
    occurred_at: str
    refused_at: str
    code: str = Field(description="Why; the codes are those of problems.", examples=["too_late"])
    title: str
    details: dict[str, Any] = Field(description="The facts of the refusal, as its problem told them.")
    recorded: str | None = Field(description="The event, if it was taken since.")


class RefusedPage(Page):
    """What was turned away in the last 90 days, newest first."""

    refused: list[RefusedOut]


class ItemOut(Out):
    """What became of one event of a batch."""

    outcome: str = Field(
        description="`created`, `replayed`, `refused`, `parked`, `failed` or `unknown`; the last two: send it again."
    )
    event: EventOut | None = None
    parked: ParkedOut | None = None
    problem: dict[str, Any] | None = None


class BatchOut(Out):
    """One outcome an event, in the order they were sent."""

    results: list[ItemOut]


def event(
    recorded: Recorded,
    followed: Sequence[Recorded] = (),
    *,
    explain: bool = True,
    provisional: bool = False,
    telling: Telling | None = None,
    rules: Rules | None = None,
) -> dict[str, Any]:
    """The answer for one event, with what followed on it. A dry run's has no ids, and says that it is provisional.

    The explanation is in words too where a language was asked for; with the `rules` that judged a dry run it also says
    which of them are switched off.
    """
    if provisional and rules is not None:
        recorded = recorded._replace(steps=(*recorded.steps, *reasons.switched_off(recorded, rules)))
    answer: dict[str, Any] = {
        "id": typeid.encode(typeid.EVENT, recorded.id),
        "type": recorded.kind,
        "source": recorded.source,
        "source_id": recorded.key,
        "member": typeid.encode(typeid.MEMBER, recorded.member_id),
        "sequence": recorded.sequence,
        "occurred_at": time(recorded.occurred_at),
        "effective_at": time(recorded.effective_at),
        "recorded_at": time(recorded.recorded_at),
        "rules_version": recorded.rules_version,
        "entries": [lines.entry(entry) for entry in recorded.entries],
        "accounts": {unit: lines.account(balances) for unit, balances in recorded.accounts.items()},
        "tier_changes": [lines.tier_change(*change) for change in recorded.tier_changes],
        "flags": list(recorded.flags),
    }
    if recorded.about is not None:
        answer["about"] = typeid.encode(typeid.EVENT, recorded.about)
    answer |= _from_where(recorded)
    if explain:
        if telling is not None:
            rules = _judged_by(recorded, telling)
        answer["explanation"] = _explanation(recorded, rules)
        answer["receipt"] = _receipt(recorded, followed)
        if telling is not None:
            answer |= _told(recorded, answer["explanation"], telling, followed)
    if followed:
        answer["followed"] = [_followed(one, explain=explain, telling=telling) for one in followed]
    if provisional:
        for one in answer.get("followed", ()):
            del one["id"], one["sequence"]
        del answer["id"], answer["sequence"], answer["member"]
        answer.pop("other", None)
        answer["provisional"] = True
    return answer


def _from_where(recorded: Recorded) -> dict[str, Any]:
    """Where points came from or went that no entry of the event tells."""
    match recorded.kind:
        case Transfer.kind:
            return {"other": typeid.encode(typeid.MEMBER, transfers.receiver(recorded))}
        case TransferIn.kind:
            giver, transfer = transfers.given_by(recorded)
            return {"other": typeid.encode(typeid.MEMBER, giver), "about": typeid.encode(typeid.EVENT, transfer)}
        case Hold.kind:
            return {"reserved": [lines.draw(Draw(*lot)) for lot in holds.placed(recorded).lots]}
    return {}


def parked(waiting: Parked, *, provisional: bool = False) -> dict[str, Any]:
    """The answer for an event that waits."""
    awaits = waiting.awaits
    answer = {
        "outcome": "parked",
        "id": typeid.encode(typeid.EVENT, waiting.event_id),
        "type": waiting.kind,
        "source": waiting.source,
        "source_id": waiting.key,
        "member": typeid.encode(typeid.MEMBER, waiting.member_id),
        "occurred_at": time(waiting.occurred_at),
        "parked_at": time(waiting.parked_at),
        "lapses_at": time(waiting.lapses_at),
        "awaits": {"source": awaits.source, "kind": awaits.kind, "id": awaits.key},
    }
    if provisional:
        del answer["id"]
    return answer


def refused(one: TurnedAway, *, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """The answer for an event that was turned away."""
    return {
        "id": typeid.encode(typeid.REFUSED, one.refused_id),
        "type": one.kind,
        "source": one.source,
        "source_id": one.key,
        "member": None if one.member_id is None else typeid.encode(typeid.MEMBER, one.member_id),
        "occurred_at": time(one.occurred_at),
        "refused_at": time(one.refused_at),
        "code": one.code,
        "title": title,
        "details": details,
        "recorded": None if one.recorded is None else typeid.encode(typeid.EVENT, one.recorded),
    }


def left(purchase: Recorded, followers: Sequence[Recorded]) -> dict[str, Any]:
    """What is left of a purchase after what was recorded about it: goods only, deductions never come back."""
    now = returns.standing(purchase, followers)
    decimals = MINOR_UNITS[now.goods.currency]
    goods = [line for line in returns.remaining(now.goods, now.parts) if line.amount >= 0]
    lines = [
        {
            "id": line.id,
            "quantity": returns.text(line.quantity),
            "amount": money.decimal_text(line.amount, decimals=decimals),
        }
        for line in goods
        if not line.counted.gone
    ]
    return {"amount": money.decimal_text(sum(line.amount for line in goods), decimals=decimals), "lines": lines}


def _followed(recorded: Recorded, *, explain: bool, telling: Telling | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": typeid.encode(typeid.EVENT, recorded.id),
        "type": recorded.kind,
        "sequence": recorded.sequence,
        "entries": [lines.entry(entry) for entry in recorded.entries],
        "accounts": {unit: lines.account(balances) for unit, balances in recorded.accounts.items()},
        "tier_changes": [lines.tier_change(*change) for change in recorded.tier_changes],
        "gifts": lines.gifts(recorded.steps),
    }
    if recorded.about is not None:
        answer["about"] = typeid.encode(typeid.EVENT, recorded.about)
    if explain:
        steps = _explanation(recorded, None)
        answer["explanation"] = steps if telling is None else _told(recorded, steps, telling)["explanation"]
    return answer


def _explanation(recorded: Recorded, rules: Rules | None) -> list[dict[str, Any]]:
    """The steps; what a rule missed is named where the rules are at hand."""
    steps = [lines.step(step) for step in recorded.steps]
    lacks = {} if rules is None else reasons.missing(recorded, rules)
    for step in steps if lacks else ():
        if step["step"] == MISSING and lacks.get(step["rule"]):
            step["missing"] = list(lacks[step["rule"]])
    return steps


def _receipt(recorded: Recorded, followed: Sequence[Recorded]) -> list[str]:
    """What a till prints: what moved, and what is available now, once all that followed is counted in."""
    every = (recorded, *followed)
    said = [f"{entry.unit[:20]}: {entry.points:+d}" for one in every for entry in one.entries if entry.points]
    said += [f"{unit[:16]} available: {balances.available}" for unit, balances in every[-1].accounts.items()]
    return [line[:RECEIPT_WIDTH] for line in said]


def _told(
    recorded: Recorded, steps: Sequence[dict[str, Any]], telling: Telling, followed: Sequence[Recorded] = ()
) -> dict[str, Any]:
    """The explanation in words; with numbers only where the version is so new that it is not at hand."""
    behind = [(one, _judged_by(one, telling)) for one in followed]
    told = explaining.explained(recorded, _judged_by(recorded, telling), telling.language, followed=behind)
    return {
        "explanation": [step | {"text": text} for step, text in zip(steps, told.steps, strict=True)],
        "summary": told.summary,
        "receipt": told.receipt,
    }


def _judged_by(recorded: Recorded, telling: Telling) -> Rules | None:
    try:
        return telling.versions.numbered(recorded.rules_version)
    except KeyError:
        return None
