"""Identities are found by a keyed hash, so that the ledger's tables hold no personal data to read (semantics M1)."""

from hashlib import blake2b

from app.domain.commands import Identity

REFERRAL_CODE = "code"
"""The kind under which a member's own referral code is found; callers cannot name members by it."""


def identity(kind: str, value: str, *, key: bytes) -> Identity:
    """An identity of a normalized value, with the digest it is found by."""
    digest = blake2b(f"{kind}:{value}".encode(), digest_size=16, key=key, person=b"zegel-identity/1").digest()
    return Identity(kind, value, digest)
