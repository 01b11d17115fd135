"""What members do with their points: spend them, keep them aside, pass them on."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.domain.commands.references import Named, Reference


@dataclass(frozen=True, slots=True)
class Redemption:
    """Points a member spends: `points` is at least 1, in smallest parts of `unit`; None is the program's own choice."""

    kind = "redemption"
    points: int
    unit: str | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None
    offline: bool = False
    """Made by a till without a network, so that it may leave a deficit (semantics L6)."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Points kept aside for a purchase to come: `lasts` is in seconds; None is the program's own choice (L12)."""

    kind = "hold"
    points: int
    unit: str | None = None
    lasts: int | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Points of a hold that are spent: so many, or all that is held; a `final` one frees the rest (semantics L12)."""

    kind = "capture"
    of: Named
    points: int | None = None
    final: bool = True
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A hold that is given up: what it still holds is freed (semantics L12)."""

    kind = "release"
    of: Named
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Points that a member passes on to another one, `to` whom; nobody is enrolled by it (semantics L13)."""

    kind = "transfer"
    points: int
    to: Reference
    unit: str | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


class PassedLot(NamedTuple):
    """Points that were passed on together, with the dates they keep."""

    points: int
    available_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransferIn:
    """The receiver's side of a transfer: what the `giver` passed on by the event `transfer` (semantics L13)."""

    kind = "transfer_in"
    giver: bytes
    transfer: bytes
    unit: str
    lots: tuple[PassedLot, ...]


@dataclass(frozen=True, slots=True)
class TransferReversal:
    """The receiver's side of a cancelled transfer: `of` is the event by which the points came (semantics E6)."""

    kind = "transfer_reversal"
    of: Named
