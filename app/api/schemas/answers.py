"""Events, as answers show them: a function of what is stored, the same for the first answer and every later read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field

from app.api.languages import Telling
from app.api.schemas.common import MINOR_UNITS, Out, Page, maybe_time, time
from app.domain import explaining, money, returns, typeid
from app.domain.events import Balances, Draw, Entry, Recorded
from app.domain.parking import Parked
from app.domain.steps import Step
from app.queries.waiting import TurnedAway

RECEIPT_WIDTH = 40


class DrawOut(Out):
    """Points taken from a lot; the lot is named by the event and entry that credited it."""

    sequence: int = Field(
        description="The member's event that credited the lot; 0 where an undo lessens what was owed, and no lot."
    )
    position: int
    points: int = Field(description="Negative where an undo put points back.")


class EntryOut(Out):
    """One signed line on an account."""

    position: int
    unit: str
    points: int = Field(description="0 where points that began to count only paid what was owed: see `draws`.")
    balance_after: int
    available_at: str | None = Field(
        description="From when a credited lot can be spent; null while it waits for a fulfilment."
    )
    expires_at: str | None = Field(
        description="The first instant at which the lot can no longer be spent; without `available_at` the new one of "
        "lots that had ended, where the program grants days of grace to points that are put back."
    )
    draws: list[DrawOut]


class AccountOut(Out):
    """An account after the event, as of its recording."""

    balance: int
    available: int
    pending: int
    held: int
    deficit: int


class StepOut(Out):
    """One step of the explanation: what a rule gave, or the code of why it gave nothing."""

    rule: str | None
    unit: str
    step: str = Field(examples=["rate", "multiply", "fixed", "round", "not_covered"])
    points: str = Field(description="Exact decimal text: what the step gave or, after `multiply` and `round`, the sum.")
    text: str | None = Field(
        default=None, description="The same in words, if a language was asked for.", examples=["silver ×1.25 = 10.6"]
    )


class TierChangeOut(Out):
    """A tier that the event moved."""

    ladder: str
    before: str
    tier: str


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
    explanation: list[StepOut] | None = None
    summary: dict[str, str] | None = Field(
        default=None,
        description="By unit, how it came about in words, if a language was asked for.",
        examples=[{"points": "2 × 4.25 coffee at 1 per 1.00 = 8.5; silver ×1.25 = 10.6; rounded down: 10"}],
    )
    receipt: list[str] | None = Field(default=None, description="Lines of at most 40 characters.")
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
    recorded: Recorded, *, explain: bool = True, provisional: bool = False, telling: Telling | None = None
) -> dict[str, Any]:
    """The answer for one event. A dry run's has no ids, and says that it is provisional.

    The explanation is in words too where a language was asked for.
    """
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
        "entries": [_entry(entry) for entry in recorded.entries],
        "accounts": {unit: _account(balances) for unit, balances in recorded.accounts.items()},
        "tier_changes": [
            {"ladder": ladder, "before": before, "tier": after} for ladder, before, after in recorded.tier_changes
        ],
        "flags": list(recorded.flags),
    }
    if recorded.about is not None:
        answer["about"] = typeid.encode(typeid.EVENT, recorded.about)
    if explain:
        answer["explanation"] = [_step(step) for step in recorded.steps]
        answer["receipt"] = receipt(recorded.entries, recorded.accounts)
        if telling is not None:
            answer |= _told(recorded, answer["explanation"], telling)
    if provisional:
        del answer["id"], answer["sequence"], answer["member"]
        answer["provisional"] = True
    return answer


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


def receipt(entries: Iterable[Entry], accounts: Mapping[str, Balances]) -> list[str]:
    """What a till prints: what moved, and what is available now."""
    lines = [f"{entry.unit[:20]}: {entry.points:+d}" for entry in entries if entry.points]
    lines += [f"{unit[:16]} available: {balances.available}" for unit, balances in accounts.items()]
    return [line[:RECEIPT_WIDTH] for line in lines]


def _told(recorded: Recorded, steps: Sequence[dict[str, Any]], telling: Telling) -> dict[str, Any]:
    """The explanation in words; with numbers only where the version is so new that it is not at hand."""
    try:
        rules = telling.versions.numbered(recorded.rules_version)
    except KeyError:
        rules = None
    told = explaining.explained(recorded, rules, telling.language)
    return {
        "explanation": [step | {"text": text} for step, text in zip(steps, told.steps, strict=True)],
        "summary": told.summary,
        "receipt": told.receipt,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "position": entry.position,
        "unit": entry.unit,
        "points": entry.points,
        "balance_after": entry.balance_after,
        "available_at": None if entry.available_at == entry.expires_at else maybe_time(entry.available_at),
        "expires_at": maybe_time(entry.expires_at),
        "draws": [_draw(draw) for draw in entry.draws],
    }


def _draw(draw: Draw) -> dict[str, Any]:
    return {"sequence": draw.lot_sequence, "position": draw.lot_position, "points": draw.points}


def _account(sums: Balances) -> dict[str, Any]:
    return {
        "balance": sums.balance,
        "available": sums.available,
        "pending": sums.pending,
        "held": sums.held,
        "deficit": sums.deficit,
    }


def _step(step: Step) -> dict[str, Any]:
    rule, unit, what, value = step
    return {"rule": rule or None, "unit": unit, "step": what, "points": value}
