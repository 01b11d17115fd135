"""What bodies say of friends: codes as digests, and what tells that two members are one person (semantics F1, F4)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from app.api.problems import invalid
from app.domain import identities, referral_code, suspicions
from app.domain.commands import Identity

FINGERPRINTS_MOST = 16

Fingerprints = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=256)]],
    Field(
        max_length=FINGERPRINTS_MOST,
        description="What tells a person again, made by the shop: of a payment card, an address, a device. Only keyed "
        "digests are kept, to hold referrals whose two sides share one.",
        examples=[["card-8f1c02"]],
    ),
]
ReferralCode = Annotated[str, StringConstraints(max_length=32)]


def code(text: str, *, key: bytes) -> Identity:
    """A friend's code. Raises Problem where it can be nobody's."""
    known = referral_code.normalized(text) or referral_code.foreign(text)
    if known is None:
        message = "is not a referral code: ten letters and digits, the last one a check"
        raise invalid("/referral_code", message)
    return identities.identity(identities.REFERRAL_CODE, known, key=key)


def said(fingerprints: Sequence[str], *, key: bytes) -> dict[str, list[str]]:
    """What the erasable part of an event keeps of them."""
    digests = sorted({suspicions.digest(text, key=key).hex() for text in fingerprints})
    return {suspicions.FINGERPRINTS: digests} if digests else {}
