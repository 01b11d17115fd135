"""What the worker submits when it falls due: bonuses for friends, and the program's schedules."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An instant that a schedule of the program names for a member, for the so many-th time (semantics K3).

    Where it follows on a tier, `round` counts how often that was reached, and `since` is when, in microseconds since
    1970.
    """

    kind = "scheduled"
    schedule: str
    step: int = 0
    round: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True)
class ReferralBonus:
    """A side's bonus for a friend brought in; scheduled by the purchase that qualified (semantics F2)."""

    kind = "referral_bonus"
    side: str
    referee: bytes
    unit: str
    points: int
    reward: str | None = None


@dataclass(frozen=True, slots=True)
class ReferralReversal:
    """A side's bonus taken back, because what qualified for it came back (semantics R5, F2).

    `given_at` is when the bonus was due, in microseconds since 1970: its lot occurred then.
    """

    kind = "referral_reversal"
    side: str
    referee: bytes
    unit: str
    points: int
    given_at: int
    reward: str | None = None


@dataclass(frozen=True, slots=True)
class ReferralLapse:
    """No purchase has qualified in time for a referral (semantics F2)."""

    kind = "referral_lapse"
