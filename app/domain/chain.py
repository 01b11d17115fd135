"""The bytes that are hashed: facts and content of an event, the member's chain, a block's Merkle root.

Everything here is frozen early: a stranger must be able to recompute it from the stored rows alone. The layout is
described in docs/architecture.md.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b, sha256
from struct import Struct
from typing import Any, NamedTuple

import orjson

from app.domain.commands import (
    Activity,
    Adjustment,
    Cancellation,
    Capture,
    Command,
    Enrolment,
    Facts,
    Fulfilment,
    Hold,
    Identity,
    Line,
    LooseReturn,
    Mode,
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
from app.domain.events import Entry

CONTENT_VERSION = b"zegel-event/1"
BLOCK_VERSION = b"zegel-block/1"
DIGEST_BYTES = 16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LENGTH = Struct(">I")
_FIXED = Struct(">qqqqqIHB")
_ENTRY = Struct(">hqqqqH")
_DRAW = Struct(">qhq")
_NEVER = -(2**63)
_SHORT = 1024
_LENGTHS = tuple(_LENGTH.pack(length) for length in range(_SHORT))


def micros(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z, exactly."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(micros: int) -> datetime:
    """The inverse of `micros`."""
    return _EPOCH + timedelta(microseconds=micros)


def fields(parts: Iterable[bytes]) -> bytes:
    """Parts, each led by its length as four big-endian bytes."""
    return b"".join(
        [
            piece
            for part in parts
            for piece in (_LENGTHS[len(part)] if len(part) < _SHORT else _LENGTH.pack(len(part)), part)
        ]
    )


def split_fields(data: bytes) -> list[bytes]:
    """The inverse of `fields`. Raises ValueError on a torn or over-long encoding."""
    parts, at, end, length_at = [], 0, len(data), _LENGTH.unpack_from
    while at < end:
        begins = at + 4
        if begins > end:
            raise ValueError("torn length")
        at = begins + length_at(data, at)[0]
        if at > end:
            raise ValueError("torn field")
        parts.append(data[begins:at])
    return parts


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no white space, as UTF-8."""
    return _encode(value).encode()


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def compact(value: Any) -> bytes:
    """`canonical` of what is known to hold texts and whole numbers of 64 bits only, several times as fast."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def encode_facts(facts: Facts) -> bytes:
    """What was sent, without what may be erased; defaults left out (semantics E1)."""
    return compact(_ENCODERS[type(facts)](facts))


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
    return value if facts.expires_at is None else value | {"expires_at": micros(facts.expires_at)}


def _tier_floor(facts: TierFloor) -> dict[str, Any]:
    value = _named(facts, "tier", "reason", "actor", "ladder")
    return value if facts.until is None else value | {"until": micros(facts.until)}


def _a_tier_floor(value: dict[str, Any]) -> TierFloor:
    until = value.get("until")
    return TierFloor(**{"tier": None, **value, "until": None if until is None else instant(until)})


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
    return Adjustment(**{**value, "expires_at": None if ends is None else instant(ends)})


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
    return value


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
    lots = [(lot.points, micros(lot.available_at), lot.expires_at and micros(lot.expires_at)) for lot in facts.lots]
    return {"giver": facts.giver.hex(), "transfer": facts.transfer.hex(), "unit": facts.unit, "lots": lots}


def _a_transfer_in(value: dict[str, Any]) -> TransferIn:
    lots = tuple(
        PassedLot(points, instant(available_at), None if expires_at is None else instant(expires_at))
        for points, available_at, expires_at in value["lots"]
    )
    return TransferIn(bytes.fromhex(value["giver"]), bytes.fromhex(value["transfer"]), value["unit"], lots)


_INSTANTS = ("earned_at", "available_at", "expires_at", "since", "review_at")


def _in_micros(one: dict[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in one.items() if value is not None and value is not False}
    return {name: micros(value) if name in _INSTANTS else value for name, value in said.items()}


def _in_instants(said: dict[str, Any]) -> dict[str, Any]:
    return {name: instant(value) if name in _INSTANTS else value for name, value in said.items()}


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


def command_digest(command: Command, facts: bytes, member_id: bytes, *, key: bytes) -> bytes:
    """What tells a replay from a reuse (semantics E1): a keyed digest of all that the caller said.

    `member_id` is the member as resolved; for an enrolment, which makes its member, sixteen zero bytes.
    """
    messages = b"m" if command.mode is Mode.HISTORY_WITH_MESSAGES else b""
    until = _LENGTH.pack(0) if command.not_after is None else str(micros(command.not_after)).encode()
    said = fields(
        (
            command.facts.kind.encode(),
            member_id,
            str(micros(command.occurred_at)).encode() if command.time_said else b"",
            facts,
            command.particulars,
            messages,
            until,
        )
    )
    return blake2b(said, digest_size=DIGEST_BYTES, key=key, person=b"zegel-command/1").digest()


class Content(NamedTuple):
    """Everything about an event that was judged, as its hashed bytes hold it."""

    program_id: bytes
    member_id: bytes
    event_id: bytes
    sequence: int
    source: str
    kind: str
    key: str
    occurred_at: datetime
    effective_at: datetime
    recorded_at: datetime
    judged_at: datetime
    rules_version: int
    rules_digest: bytes
    engine: int
    silent: bool
    digest: bytes
    facts: bytes
    context: bytes
    particulars_hash: bytes


def encode_content(content: Content) -> bytes:
    """The exact bytes that are stored and hashed: a version, then length-prefixed fields."""
    numbers = _FIXED.pack(
        content.sequence,
        micros(content.occurred_at),
        micros(content.effective_at),
        micros(content.recorded_at),
        micros(content.judged_at),
        content.rules_version,
        content.engine,
        content.silent,
    )
    return fields(
        (
            CONTENT_VERSION,
            content.program_id,
            content.member_id,
            content.event_id,
            content.source.encode(),
            content.kind.encode(),
            content.key.encode(),
            numbers,
            content.rules_digest,
            content.digest,
            content.facts,
            content.context,
            content.particulars_hash,
        )
    )


@lru_cache(maxsize=64)
def decode_content(data: bytes) -> Content:
    """The inverse of `encode_content`. Raises ValueError if the bytes are not of this version."""
    _, program, member, event, source, kind, key, numbers, rules, digest, facts, context, particulars = _parts(data)
    sequence, occurred, effective, recorded, judged, version, engine, silent = _FIXED.unpack(numbers)
    return Content(
        program_id=program,
        member_id=member,
        event_id=event,
        sequence=sequence,
        source=source.decode(),
        kind=kind.decode(),
        key=key.decode(),
        occurred_at=instant(occurred),
        effective_at=instant(effective),
        recorded_at=instant(recorded),
        judged_at=instant(judged),
        rules_version=version,
        rules_digest=rules,
        engine=engine,
        silent=bool(silent),
        digest=digest,
        facts=facts,
        context=context,
        particulars_hash=particulars,
    )


def _parts(data: bytes) -> list[bytes]:
    parts = split_fields(data)
    if len(parts) != 13 or parts[0] != CONTENT_VERSION:
        raise ValueError("not the content of an event")
    return parts


def judged_at(content: bytes) -> datetime:
    """When an event was judged, of its content."""
    return instant(_FIXED.unpack(_parts(content)[7])[4])


def context_of(content: bytes) -> dict[str, Any]:
    """What besides the facts was judged, of an event's content."""
    context = _parts(content)[11]
    found: dict[str, Any] = orjson.loads(context) if context else {}
    return found


def particulars_hash(particulars: bytes, *, salt: bytes) -> bytes:
    """What the content keeps of the erasable part: nothing, or its salted hash (semantics M4)."""
    return sha256(salt + particulars).digest() if particulars else b""


def event_hash(previous: bytes, content: bytes, entries: Sequence[Entry]) -> bytes:
    """The link of the member's chain: over the previous hash, the content, the entries and their draws."""
    return sha256(b"".join((previous, _LENGTH.pack(len(content)), content, *map(_entry, entries)))).digest()


def _entry(entry: Entry) -> bytes:
    head = _ENTRY.pack(
        entry.position,
        entry.points,
        entry.balance_after,
        _NEVER if entry.available_at is None else micros(entry.available_at),
        _NEVER if entry.expires_at is None else micros(entry.expires_at),
        len(entry.draws),
    )
    draws = [_DRAW.pack(draw.lot_sequence, draw.lot_position, draw.points) for draw in entry.draws]
    return fields((entry.unit.encode(), head, *draws))


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """The root over event hashes in leaf order (RFC 6962 §2.1)."""
    level = [sha256(b"\x00" + leaf).digest() for leaf in hashes]
    if not level:
        return sha256(b"").digest()
    return _root(level)


def _root(level: list[bytes]) -> bytes:
    """Pairing neighbors and carrying the odd one up gives RFC 6962's tree, whose left side is a full power of two."""
    while len(level) > 1:
        paired = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def block_hash(
    *, program_id: bytes, lane: int, number: int, previous: bytes, root: bytes, events: int, sums: bytes
) -> bytes:
    """The link of a lane's chain of blocks."""
    numbers = Struct(">IQI").pack(lane, number, events)
    return sha256(fields((BLOCK_VERSION, program_id, numbers, previous, root, sums))).digest()
