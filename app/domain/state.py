"""What a decision reads of one member, and what it leaves behind.

Named tuples: frozen like any value here, and made several times an event, where they cost a fifth of a dataclass.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from app.domain.calendar import Span
from app.domain.replacing import quick

GENESIS = bytes(32)
"""The previous hash of a member's first event."""


@quick
class Account(NamedTuple):
    """A member's balance in one unit, right while now < `next_due_at` (semantics L4); all in smallest parts.

    `active_until` is when lots without a date of their own end, in a unit whose expiry slides; while anything is left.
    `notice_at` is when the next end is to be told; what ends by `told_until` has been.
    """

    unit: str
    balance: int = 0
    active: int = 0
    pending: int = 0
    held: int = 0
    deficit: int = 0
    next_due_at: datetime | None = None
    earned: int = 0
    redeemed: int = 0
    expired: int = 0
    reversed: int = 0
    active_until: datetime | None = None
    notice_at: datetime | None = None
    told_until: datetime | None = None

    @property
    def available(self) -> int:
        return max(0, self.active - self.held - self.deficit)


class Reserve(NamedTuple):
    """Points of a lot that a hold keeps until it is captured, freed, or lapses by the clock (semantics L12).

    `hold` is the number of the hold's event, `hold_id` its id.
    """

    hold: int
    hold_id: bytes
    points: int
    lapses_at: datetime


@quick
class OpenLot(NamedTuple):
    """Points credited together of which something remains. Named by its credit entry: (sequence, position)."""

    sequence: int
    position: int
    unit: str
    credited: int
    remaining: int
    occurred_at: datetime
    available_at: datetime
    expires_at: datetime | None
    reserves: tuple[Reserve, ...] = ()
    waiting: bool = False
    """Pending, until its activation is written down."""

    @property
    def reserved(self) -> int:
        """What holds keep of it, as far as is written down."""
        return sum([reserve.points for reserve in self.reserves]) if self.reserves else 0

    def kept(self, now: datetime) -> int:
        """What holds keep of it by the instant: one that has lapsed keeps nothing (semantics L3, L12)."""
        return sum([r.points for r in self.reserves if r.lapses_at > now]) if self.reserves else 0


class Missed(NamedTuple):
    """What a review found too little: at which instant, for which tier, and what was active of each unit (T8).

    `before` is what the review before it missed, where the tier was not kept or reached anew in between.
    """

    at: datetime
    tier: str
    had: tuple[tuple[str, int], ...]
    before: "Missed | None" = None


@quick
class TierTerm(NamedTuple):
    """A tier held from `since` on (the occurred_at of what reached it), posted by event `sequence` (semantics A6).

    The term itself may begin later, at `began_at`: a review begins a new one of the same tier (T3). Where a floor holds
    the member up, `earned` is the tier beneath. `confirmed` is what the last review left, which no return costs (T5).
    """

    ladder: str
    tier: str
    since: datetime
    sequence: int
    began_at: datetime | None = None
    earned: str | None = None
    confirmed: str | None = None
    review_at: datetime | None = None
    falls_at: datetime | None = None
    """When the grace ends that a review left."""
    falls_to: str | None = None
    notice_at: datetime | None = None
    """When it is to be told that the tier may end."""
    missed: Missed | None = None

    @property
    def begins(self) -> datetime:
        return self.since if self.began_at is None else self.began_at


class Floor(NamedTuple):
    """A tier given until an instant, or until it is removed, by event `sequence` (semantics T4, T7).

    `rule` is what gave it, empty for a person. `lasts` is how long it was given for: given again, it runs on, so that
    `ends_at` follows from all that stand.
    """

    ladder: str
    tier: str
    sequence: int
    rule: str
    given_at: datetime
    ends_at: datetime | None = None
    lasts: Span | None = None


class Usage(NamedTuple):
    """What a member has used of a counter in the period from `since` until `until`; no end means all time.

    Also what an event adds to a counter, or takes from it.
    """

    counter: str
    since: datetime
    until: datetime | None
    points: int = 0
    times: int = 0


class HeldTag(NamedTuple):
    """A tag on a member from `since` until `until`; given by the event of that number, or by hand (0) (M5, A10)."""

    tag: str
    sequence: int
    since: datetime
    until: datetime | None = None


class ReferralState(StrEnum):
    """How far a member's own referral has come (semantics F2); kept on the referee."""

    NONE = "none"
    CLAIMED = "claimed"
    QUALIFIED = "qualified"
    REWARDED = "rewarded"
    LAPSED = "lapsed"
    REJECTED = "rejected"


class StandingBonus(NamedTuple):
    """What a bonus for bringing a friend gave `at` which instant, by the event of this number.

    One beyond the cap gave nothing, and one from before friends were counted is not `counted` (semantics F3).
    """

    sequence: int
    at: datetime
    points: int
    counted: bool = False
    given: bool = True


class Scheduled(NamedTuple):
    """A command that falls due at an instant, kept until its effect is recorded (semantics K1, K3)."""

    member_id: bytes
    due_at: datetime
    key: str
    kind: str
    facts: bytes
    rules_version: int
    cause: bytes
    """The id of the event that scheduled it."""
    judged: Mapping[str, Any] | None = None
    """The context of its event, where it is decided again."""


@quick
class MemberState(NamedTuple):
    """One member as the ledger knows them, under lock.

    `sequence` is the number of the last event, `messages` of the last message. `judged_at` is the instant up to which
    the member's clock has run; it equals `recorded_at` except where history was sent (semantics E7). `quiet_before`:
    what fell due before it is past history and is not told to shops. `referral_purchase` is the number of the purchase
    that qualified, `referral_rounds` how often one did, `referral_due_at` when its reward falls due where that waits,
    `referral_version` the rules that judged it where somebody has to look first; `referral_review` says why somebody
    has to, or that they did (semantics F4). `purchases` counts those that stand (semantics A11), `bought_at` is when
    the latest of all occurred; `parked` counts the events that wait outside the chain. `tiers_due_at` is when a review,
    the end of a floor or a notice of either is due next. `usage` is by counter and the start of its period; `shared` is
    the same over all members of the program, as far as the batch has it. `tags` and `attributes` are there where the
    rules look at what members are (semantics M5). `lots` are those loaded or opened since; all of them when
    `lots_loaded`. `closed` are lots of which nothing remains, as far as they are known: an undo may open them again.
    `bonuses` are those for friends that may be taken back now, by key.
    """

    id: bytes
    sequence: int = 0
    messages: int = 0
    head: bytes = GENESIS
    recorded_at: datetime | None = None
    judged_at: datetime | None = None
    quiet_before: datetime | None = None
    enrolled_at: datetime | None = None
    referral_code: str | None = None
    referrer: bytes | None = None
    referral: ReferralState = ReferralState.NONE
    referral_lapses_at: datetime | None = None
    referral_purchase: int | None = None
    referral_rounds: int = 0
    referral_claimed_at: datetime | None = None
    referral_review: str = ""
    referral_due_at: datetime | None = None
    referral_version: int | None = None
    purchases: int = 0
    bought_at: datetime | None = None
    parked: int = 0
    accounts: Mapping[str, Account] = MappingProxyType({})
    tiers: tuple[TierTerm, ...] = ()
    floors: tuple[Floor, ...] = ()
    tiers_due_at: datetime | None = None
    usage: Mapping[tuple[str, datetime], Usage] = MappingProxyType({})
    shared: Mapping[tuple[str, datetime], Usage] = MappingProxyType({})
    tags: tuple[HeldTag, ...] = ()
    attributes: Mapping[str, Any] = MappingProxyType({})
    lots: tuple[OpenLot, ...] = ()
    lots_loaded: bool = True
    closed: Mapping[tuple[int, int], OpenLot] = MappingProxyType({})
    scheduled: tuple[Scheduled, ...] = ()
    bonuses: Mapping[str, StandingBonus] = MappingProxyType({})
