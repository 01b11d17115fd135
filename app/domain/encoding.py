"""How the facts of each kind of event are encoded for its hashed content, and read again.

Frozen early, as all that is hashed: a kind may gain optional parts, whose absence encodes exactly as before.
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from app.domain import chain
from app.domain.commands import (
    Activity,
    Adjustment,
    Cancellation,
    Capture,
    Enrolment,
    Facts,
    Fulfilment,
    Hold,
    Identity,
    Line,
    LooseReturn,
    Named,
    Occurrence,
    OpenedLot,
    OpenedTier,
    OpenedTotal,
    Opening,
    PassedLot,
    Payment,
    Purchase,
    PurchaseChange,
    Redemption,
    Reference,
    ReferralBonus,
    ReferralClaim,
    ReferralLapse,
    ReferralReversal,
    ReferralReview,
    Release,
    Return,
    ReturnedLine,
    TierFloor,
    Transfer,
    TransferIn,
    TransferReversal,
    Verdict,
)


def encode_facts(facts: Facts) -> bytes:
    """What was sent, without what may be erased; defaults left out (semantics E1)."""
    return chain.compact(_ENCODERS[type(facts)](facts))


@lru_cache(maxsize=64)
def decode_facts(kind: str, data: bytes) -> Facts:
    """The inverse of `encode_facts` for a kind. Raises KeyError, TypeError or ValueError if the bytes are not facts."""
    decode = _DECODERS.get(kind)
    if decode is None:
        raise ValueError(f"no facts of kind {kind}")
    return decode(json.loads(data))


_PLACE = ("channel", "location", "terminal", "operator")
_UNNAMED = Identity("", "", b"")
"""Stands for a code that lies outside the ledger."""


def _naming(of: Named) -> dict[str, Any]:
    if of.event_id is not None:
        return {"event": of.event_id.hex()} | ({"kind": of.kind} if of.kind else {})
    return {"source": of.source, "kind": of.kind, "key": of.key}


def _name(value: dict[str, Any]) -> Named:
    if "event" in value:
        return Named(event_id=bytes.fromhex(value["event"]), kind=value.get("kind", ""))
    return Named(**value)


def _named(value: object, *names: str) -> dict[str, Any]:
    return {name: found for name in names if (found := getattr(value, name)) is not None}


def _return(facts: Return) -> dict[str, Any]:
    value = {"of": _naming(facts.of)} | _named(facts, "amount", "currency", *_PLACE)
    if facts.lines:
        value["lines"] = [_named(line, "id", "quantity", "amount") for line in facts.lines]
    return value


def _redemption(facts: Redemption) -> dict[str, Any]:
    value = _named(facts, "points", "unit", *_PLACE)
    return value | {"offline": True} if facts.offline else value


def _fulfilment(facts: Fulfilment) -> dict[str, Any]:
    value = {"of": _naming(facts.of)} | _named(facts, *_PLACE)
    return value | {"lines": facts.lines} if facts.lines else value


def _capture(facts: Capture) -> dict[str, Any]:
    value = {"of": _naming(facts.of)} | _named(facts, "points", *_PLACE)
    return value if facts.final else value | {"final": False}


def _adjustment(facts: Adjustment) -> dict[str, Any]:
    value = _named(facts, "points", "unit", "reason", "actor", "approver")
    return value if facts.expires_at is None else value | {"expires_at": chain.micros(facts.expires_at)}


def _tier_floor(facts: TierFloor) -> dict[str, Any]:
    value = _named(facts, "tier", "reason", "actor", "ladder")
    return value if facts.until is None else value | {"until": chain.micros(facts.until)}


def _a_tier_floor(value: dict[str, Any]) -> TierFloor:
    until = value.get("until")
    return TierFloor(**{"tier": None, **value, "until": None if until is None else chain.instant(until)})


def _occurrence(facts: Occurrence) -> dict[str, Any]:
    said = {"schedule": facts.schedule, "step": facts.step}
    return said | ({"round": facts.round, "since": facts.since} if facts.round else {})


def _bonus(facts: ReferralBonus | ReferralReversal) -> dict[str, Any]:
    value = {"side": facts.side, "referee": facts.referee.hex(), "unit": facts.unit, "points": facts.points}
    if facts.reward is not None:
        value["reward"] = facts.reward
    return value | {"given_at": facts.given_at} if isinstance(facts, ReferralReversal) else value


def _a_purchase(value: dict[str, Any]) -> Purchase:
    lines = tuple(Line(**{**line, "categories": tuple(line.get("categories", ()))}) for line in value["lines"])
    payments = tuple(Payment(**payment) for payment in value.get("payments", ()))
    vouchers = tuple(value.get("vouchers", ()))
    return Purchase(**{**value, "lines": lines, "payments": payments, "vouchers": vouchers})


def _an_adjustment(value: dict[str, Any]) -> Adjustment:
    ends = value.get("expires_at")
    return Adjustment(**{**value, "expires_at": None if ends is None else chain.instant(ends)})


def _a_return(value: dict[str, Any]) -> Return | LooseReturn:
    if "goods" in value:
        return LooseReturn(_a_purchase(value["goods"]))
    back = tuple(ReturnedLine(**line) for line in value.get("lines", ()))
    return Return(**{**value, "of": _name(value["of"]), "lines": back})


def _purchase(facts: Purchase) -> dict[str, Any]:
    value: dict[str, Any] = {"currency": facts.currency, "total": facts.total, "lines": [_line(x) for x in facts.lines]}
    if facts.payments:
        value["payments"] = [_named(payment, "kind", "amount", "hold") for payment in facts.payments]
    if facts.vouchers:
        value["vouchers"] = facts.vouchers
    value.update(_named(facts, "channel", "location", "terminal", "operator"))
    return value | {"revision": facts.revision} if facts.revision else value


def _line(line: Line) -> dict[str, Any]:
    value: dict[str, Any] = {"id": line.id, "amount": line.amount}
    if line.sku is not None:
        value["sku"] = line.sku
    if line.quantity != "1":
        value["quantity"] = line.quantity
    if line.categories:
        value["categories"] = line.categories
    if line.tax is not None:
        value["tax"] = line.tax
    if line.discount is not None:
        value["discount"] = line.discount
    if line.cost is not None:
        value["cost"] = line.cost
    return value


def _enrolment(facts: Enrolment) -> dict[str, Any]:
    return _named(facts, "channel", "location") | ({"opening": True} if facts.opening else {})


def _opening(facts: Opening) -> dict[str, Any]:
    parts = {
        "lots": [_in_micros(lot._asdict()) for lot in facts.lots],
        "totals": [_in_micros(total._asdict()) for total in facts.totals],
        "tiers": [_in_micros(tier._asdict()) for tier in facts.tiers],
    }
    return {name: part for name, part in parts.items() if part}


def _an_opening(value: dict[str, Any]) -> Opening:
    lots = tuple(OpenedLot(**_in_instants(lot)) for lot in value.pop("lots", ()))
    totals = tuple(OpenedTotal(**total) for total in value.pop("totals", ()))
    tiers = tuple(OpenedTier(**_in_instants(tier)) for tier in value.pop("tiers", ()))
    return Opening(lots, totals, tiers, **value)


def _transfer(facts: Transfer) -> dict[str, Any]:
    """The receiver as resolved; one whom nobody knows (such a transfer is refused) by the digest of the identity."""
    value = _named(facts, "points", "unit", *_PLACE)
    if facts.to.member_id is not None:
        return value | {"to": facts.to.member_id.hex()}
    assert facts.to.identity is not None
    return value | {"to_identity": facts.to.identity.digest.hex()}


def _a_transfer(value: dict[str, Any]) -> Transfer:
    digest, member_id = value.pop("to_identity", None), value.pop("to", None)
    unknown = None if digest is None else Identity("", "", bytes.fromhex(digest))
    return Transfer(to=Reference(None if member_id is None else bytes.fromhex(member_id), unknown), **value)


def _transfer_in(facts: TransferIn) -> dict[str, Any]:
    lots = [
        (lot.points, chain.micros(lot.available_at), lot.expires_at and chain.micros(lot.expires_at))
        for lot in facts.lots
    ]
    return {"giver": facts.giver.hex(), "transfer": facts.transfer.hex(), "unit": facts.unit, "lots": lots}


def _a_transfer_in(value: dict[str, Any]) -> TransferIn:
    lots = tuple(
        PassedLot(points, chain.instant(available_at), None if expires_at is None else chain.instant(expires_at))
        for points, available_at, expires_at in value["lots"]
    )
    return TransferIn(bytes.fromhex(value["giver"]), bytes.fromhex(value["transfer"]), value["unit"], lots)


_INSTANTS = ("earned_at", "available_at", "expires_at", "since", "review_at")


def _in_micros(one: dict[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in one.items() if value is not None and value is not False}
    return {name: chain.micros(value) if name in _INSTANTS else value for name, value in said.items()}


def _in_instants(said: dict[str, Any]) -> dict[str, Any]:
    return {name: chain.instant(value) if name in _INSTANTS else value for name, value in said.items()}


_ENCODERS: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    Purchase: _purchase,
    Activity: lambda facts: _named(facts, "activity", *_PLACE),
    Redemption: _redemption,
    Enrolment: _enrolment,
    Opening: _opening,
    Return: _return,
    LooseReturn: lambda facts: {"goods": _purchase(facts.goods)},
    PurchaseChange: lambda facts: {
        "of": _naming(facts.of),
        "revision": facts.revision,
        "goods": _purchase(facts.goods),
    },
    Fulfilment: _fulfilment,
    Cancellation: lambda facts: {"of": _naming(facts.of)} | _named(facts, "points", *_PLACE),
    Hold: lambda facts: _named(facts, "points", "unit", "lasts", *_PLACE),
    Capture: _capture,
    Release: lambda facts: {"of": _naming(facts.of)} | _named(facts, *_PLACE),
    Adjustment: _adjustment,
    Occurrence: _occurrence,
    ReferralBonus: _bonus,
    ReferralReversal: _bonus,
    ReferralLapse: lambda facts: {},
    ReferralClaim: lambda facts: _named(facts, *_PLACE),
    ReferralReview: lambda facts: {"verdict": facts.verdict.value, "actor": facts.actor},
    Transfer: _transfer,
    TransferIn: _transfer_in,
    TransferReversal: lambda facts: {"of": _naming(facts.of)},
    TierFloor: _tier_floor,
}
"""How the facts of each kind are written, as JSON values."""

_DECODERS: Mapping[str, Callable[[dict[str, Any]], Facts]] = {
    Purchase.kind: _a_purchase,
    Activity.kind: lambda value: Activity(**value),
    Redemption.kind: lambda value: Redemption(**value),
    Enrolment.kind: lambda value: Enrolment(**value),
    Opening.kind: _an_opening,
    Return.kind: _a_return,
    PurchaseChange.kind: lambda value: PurchaseChange(
        _name(value["of"]), value["revision"], _a_purchase(value["goods"])
    ),
    Fulfilment.kind: lambda value: Fulfilment(
        **{**value, "of": _name(value["of"]), "lines": tuple(value.get("lines", ()))}
    ),
    Cancellation.kind: lambda value: Cancellation(**{**value, "of": _name(value["of"])}),
    Hold.kind: lambda value: Hold(**value),
    Capture.kind: lambda value: Capture(**{**value, "of": _name(value["of"])}),
    Release.kind: lambda value: Release(**{**value, "of": _name(value["of"])}),
    Adjustment.kind: _an_adjustment,
    Occurrence.kind: lambda value: Occurrence(**value),
    ReferralBonus.kind: lambda value: ReferralBonus(**{**value, "referee": bytes.fromhex(value["referee"])}),
    ReferralReversal.kind: lambda value: ReferralReversal(**{**value, "referee": bytes.fromhex(value["referee"])}),
    ReferralLapse.kind: lambda value: ReferralLapse(),
    ReferralClaim.kind: lambda value: ReferralClaim(_UNNAMED, **value),
    ReferralReview.kind: lambda value: ReferralReview(Verdict(value["verdict"]), value["actor"]),
    Transfer.kind: _a_transfer,
    TransferIn.kind: _a_transfer_in,
    TransferReversal.kind: lambda value: TransferReversal(_name(value["of"])),
    TierFloor.kind: _a_tier_floor,
}
