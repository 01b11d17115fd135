"""Refusals about balances that are brought from another system (semantics E7)."""

from dataclasses import dataclass

from app.domain.refusals.base import Refusal


@dataclass(frozen=True, slots=True)
class UnitHasLots(Refusal):
    """An opening gives the unit as a total, but its points have dates (semantics E7)."""

    code = "unit_has_lots"
    unit: str


@dataclass(frozen=True, slots=True)
class UnitHasNoLots(Refusal):
    """An opening gives the unit as lots, but it only counts: there is nothing to date (semantics E7)."""

    code = "unit_has_no_lots"
    unit: str


@dataclass(frozen=True, slots=True)
class AlreadyOpened(Refusal):
    """The member's balances were opened before, by the event `opened` (semantics E7)."""

    code = "already_opened"
    opened: bytes


@dataclass(frozen=True, slots=True)
class NotNew(Refusal):
    """Something has happened to the member since they joined, first the event `first` (semantics E7)."""

    code = "not_new"
    first: bytes
