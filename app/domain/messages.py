"""What shops are told: small bodies with ids, points and balances, never anything personal (webhooks W11)."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from app.domain import typeid
from app.domain.events import Recorded
from app.domain.state import Account

ENROLLED = "member.enrolled"
ACTIVITY = "activity.recorded"
EARNED = "points.earned"
REDEEMED = "points.redeemed"
AVAILABLE = "points.available"
RESTORED = "points.restored"
REVERSED = "points.reversed"
EXPIRED = "points.expired"
EXPIRING = "points.expiring"
PARKED = "event.parked"
UNPARKED = "event.unparked"
LAPSED = "event.lapsed"
HELD = "hold.placed"
CAPTURED = "hold.captured"
RELEASED = "hold.released"
HOLD_EXPIRED = "hold.expired"
ADJUSTED = "points.adjusted"
TRANSFERRED = "points.transferred"
UPGRADED = "tier.upgraded"
DOWNGRADED = "tier.downgraded"
TIER_RENEWED = "tier.renewed"
TIER_EXPIRING = "tier.expiring"
CLAIMED = "referral.claimed"
QUALIFIED = "referral.qualified"
REWARDED = "referral.rewarded"
REFERRAL_HELD = "referral.held"
REFERRAL_REVERSED = "referral.reversed"
REFERRAL_LAPSED = "referral.lapsed"
RULES_PUBLISHED = "rules.published"
ISSUED = "reward.issued"
REWARD_CANCELLED = "reward.cancelled"

TYPES = (
    ENROLLED,
    ACTIVITY,
    EARNED,
    AVAILABLE,
    REDEEMED,
    RESTORED,
    REVERSED,
    EXPIRING,
    EXPIRED,
    HELD,
    CAPTURED,
    RELEASED,
    HOLD_EXPIRED,
    ADJUSTED,
    TRANSFERRED,
    UPGRADED,
    DOWNGRADED,
    TIER_RENEWED,
    TIER_EXPIRING,
    CLAIMED,
    QUALIFIED,
    REWARDED,
    REFERRAL_HELD,
    REFERRAL_REVERSED,
    REFERRAL_LAPSED,
    ISSUED,
    REWARD_CANCELLED,
    PARKED,
    UNPARKED,
    LAPSED,
    RULES_PUBLISHED,
)
"""Every type a shop can subscribe to."""


@lru_cache(maxsize=10_000)
def time_text(instant: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are any."""
    return instant.replace(tzinfo=None).isoformat() + "Z"


def body(
    type: str, *, event: Recorded, number: int, accounts: Mapping[str, Account], extra: Mapping[str, Any]
) -> bytes:
    """The bytes to be signed. `number` is the member's message number: dense, so a receiver can see order."""
    data = {
        "member": typeid.encode(typeid.MEMBER, event.member_id),
        "sequence": number,
        "event": typeid.encode(typeid.EVENT, event.id),
        "event_sequence": event.sequence,
        "source": event.source,
        "kind": event.kind,
        "id": event.key,
        "occurred_at": time_text(event.occurred_at),
        "effective_at": time_text(event.effective_at),
        "balances": {
            unit: {"balance": account.balance, "available": account.available} for unit, account in accounts.items()
        },
        **extra,
    }
    return orjson.dumps({"type": type, "timestamp": time_text(event.recorded_at), "data": data})


def notice(type: str, *, now: datetime, data: Mapping[str, Any]) -> bytes:
    """The bytes to be signed of a message that no event of the chain brings."""
    return orjson.dumps({"type": type, "timestamp": time_text(now), "data": data})
