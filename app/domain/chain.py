"""The bytes that are hashed: the content of an event, the member's chain, a block's Merkle root.

Everything here is frozen early: a stranger must be able to recompute it from the stored rows alone. The layout is
described in docs/architecture.md; how facts are encoded, in `encoding`.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b, sha256
from struct import Struct
from typing import Any, NamedTuple

import orjson

from app.domain.commands import Command, Mode
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


@lru_cache(maxsize=64)
def _parts(data: bytes) -> tuple[bytes, ...]:
    parts = tuple(split_fields(data))
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
