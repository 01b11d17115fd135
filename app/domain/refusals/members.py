"""Refusals about who a command is for, and about members who bring friends (semantics M1, F1, F4)."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.refusals.base import Refusal


@dataclass(frozen=True, slots=True)
class UnknownMember(Refusal):
    """The body names a member who is not in this program."""

    code = "unknown_member"


@dataclass(frozen=True, slots=True)
class IdentityTaken(Refusal):
    """An identity of the enrolment belongs to a member already (semantics M1)."""

    code = "identity_taken"
    kind: str
    member_id: bytes


@dataclass(frozen=True, slots=True)
class UnknownReferralCode(Refusal):
    """No member of the program has this referral code (semantics F1)."""

    code = "unknown_referral_code"


@dataclass(frozen=True, slots=True)
class AlreadyReferred(Refusal):
    """The member has named a friend before, and one names one once (semantics F1)."""

    code = "already_referred"
    claimed_at: datetime | None
    state: str


@dataclass(frozen=True, slots=True)
class OwnReferralCode(Refusal):
    """The code is the member's own (semantics F1)."""

    code = "own_referral_code"


@dataclass(frozen=True, slots=True)
class HasReferred(Refusal):
    """The member has brought others, so that nobody can have brought them any more (semantics F1)."""

    code = "has_referred"


@dataclass(frozen=True, slots=True)
class HasBought(Refusal):
    """The member has bought before, and so many `purchases` stand (semantics F1, A11)."""

    code = "has_bought"
    purchases: int


@dataclass(frozen=True, slots=True)
class NotInReview(Refusal):
    """The referral is not held for anybody to look at (semantics F4); `state` is what it is."""

    code = "not_in_review"
    state: str
