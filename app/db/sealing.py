"""The secrets of endpoints as they are stored: encrypted, each bound to its endpoint (webhooks W4)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
SECRET_BYTES = 32
MOST_LIVE = 10
"""Secrets of one endpoint that may sign at the same time."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret, and until when it signs; the newest one has no end."""

    value: bytes = field(repr=False)
    until: datetime | None = None


class Unreadable(Exception):
    """What is stored was sealed with another secret of the installation, for another endpoint, or was changed."""


def seal(secrets: Sequence[Secret], *, key: bytes, nonce: bytes, program_id: bytes, endpoint_id: bytes) -> bytes:
    """Secrets, newest first, as they are stored: AES-256-GCM. `nonce` is NONCE_BYTES random bytes, never used again."""
    plain = b"".join(_ends(one.until) + len(one.value).to_bytes(1) + one.value for one in secrets)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plain, _VERSION + program_id + endpoint_id)


def unseal(stored: bytes, *, key: bytes, program_id: bytes, endpoint_id: bytes) -> tuple[Secret, ...]:
    """The secrets, newest first. Raises Unreadable. One stored before there was encryption is taken as it is."""
    if not is_sealed(stored):
        return (Secret(stored),)
    nonce, sealed = stored[1 : 1 + NONCE_BYTES], stored[1 + NONCE_BYTES :]
    try:
        plain = AESGCM(key).decrypt(nonce, sealed, _VERSION + program_id + endpoint_id)
    except InvalidTag:
        raise Unreadable("an endpoint's secret cannot be decrypted") from None
    found, at = [], 0
    while at < len(plain):
        until, length = plain[at : at + 8], plain[at + 8]
        found.append(Secret(plain[at + 9 : at + 9 + length], _ended(until)))
        at += 9 + length
    return tuple(found)


def is_sealed(stored: bytes) -> bool:
    """Whether it is encrypted; a bare secret is SECRET_BYTES long."""
    return len(stored) > SECRET_BYTES and stored[:1] == _VERSION


def live(secrets: Sequence[Secret], *, now: datetime) -> list[bytes]:
    """Those that sign now, newest first."""
    return [one.value for one in secrets if one.until is None or now < one.until]


def rotated(secrets: Sequence[Secret], new: bytes, *, overlap: timedelta, now: datetime) -> tuple[Secret, ...]:
    """A new secret before those that still sign, of which none does so for longer than the overlap."""
    ends = now + overlap
    older = [Secret(one.value, min(one.until or ends, ends)) for one in secrets]
    return (Secret(new), *[one for one in older if one.until is not None and now < one.until])


_VERSION = b"\x01"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = bytes(8)


def _ends(until: datetime | None) -> bytes:
    return _NEVER if until is None else ((until - _EPOCH) // timedelta(microseconds=1)).to_bytes(8)


def _ended(written: bytes) -> datetime | None:
    return None if written == _NEVER else _EPOCH + timedelta(microseconds=int.from_bytes(written))
