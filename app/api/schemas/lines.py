"""The parts of events' answers: entries with their draws, accounts, steps of explanations, tiers, and gifts."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from app.api.schemas.common import Out, maybe_time
from app.domain.events import Balances, Draw, Entry
from app.domain.steps import TAKEN, Step


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
    missing: list[str] | None = Field(
        default=None,
        description="Of `missing_attribute` in dry runs, and if a language was asked for: what was not sent.",
        examples=[["event_km"]],
    )
    text: str | None = Field(
        default=None, description="The same in words, if a language was asked for.", examples=["silver ×1.25 = 10.6"]
    )


class TierChangeOut(Out):
    """A tier that the event moved."""

    ladder: str
    before: str
    tier: str


class GiftOut(Out):
    """Something besides points that came with an event, or went with it."""

    kind: str = Field(description="`reward`, `tag` or `tier`.", examples=["reward"])
    code: str = Field(description="Which one, as the program calls it.", examples=["free_coffee"])
    taken_back: bool = Field(description="Whether it went; what it took back may have been used already.")


def entry(one: Entry) -> dict[str, Any]:
    """A line, with the lots that it drew on."""
    return {
        "position": one.position,
        "unit": one.unit,
        "points": one.points,
        "balance_after": one.balance_after,
        "available_at": None if one.available_at == one.expires_at else maybe_time(one.available_at),
        "expires_at": maybe_time(one.expires_at),
        "draws": [draw(of_lot) for of_lot in one.draws],
    }


def account(sums: Balances) -> dict[str, Any]:
    """An account as an event left it."""
    return {
        "balance": sums.balance,
        "available": sums.available,
        "pending": sums.pending,
        "held": sums.held,
        "deficit": sums.deficit,
    }


def step(one: Step) -> dict[str, Any]:
    """One step of an explanation, in codes and numbers."""
    rule, unit, what, value = one
    return {"rule": rule or None, "unit": unit, "step": what, "points": value}


def tier_change(ladder: str, before: str, after: str) -> dict[str, Any]:
    """A tier that an event moved."""
    return {"ladder": ladder, "before": before, "tier": after}


def gifts(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """What the steps of an event gave besides points, or took back."""
    back = {taken: kind for kind, taken in TAKEN.items()}
    return [
        {"kind": back.get(what, what), "code": code, "taken_back": what in back}
        for _, _, what, code in steps
        if what in TAKEN or what in back
    ]


def draw(one: Draw) -> dict[str, Any]:
    """Points of a lot, named by the event and the entry that credited it."""
    return {"sequence": one.lot_sequence, "position": one.lot_position, "points": one.points}
