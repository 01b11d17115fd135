"""The catalog of messages: of each type what it means, what its body holds, and an example (webhooks W11).

Held by tests against what the code sends: every type that is emitted is here, and every body fits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.api.schemas.message_data import (
    AboutMember,
    Activity,
    Adjusted,
    Bonus,
    Data,
    EndpointDisabled,
    Enrolled,
    Expiring,
    HoldCaptured,
    HoldEnded,
    HoldPlaced,
    MessageExhausted,
    Moved,
    MovedAbout,
    OfEvent,
    ReferralMoved,
    RewardIssued,
    RewardNamed,
    RulesPublished,
    Tested,
    TierChanged,
    TierExpiring,
    TierRenewed,
    Transferred,
    Unparked,
    Waiting,
)
from app.domain import messages


@dataclass(frozen=True, slots=True)
class Entry:
    """A type's meaning, the form of its `data`, and what the example has beside the common fields."""

    text: str
    data: type[Data]
    extra: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "purchase"
    by_clock: bool = False

    @property
    def of_event(self) -> bool:
        return issubclass(self.data, OfEvent)


_MEMBER, _OTHER = "mem_01m803s7a9efr83zrxpt57gdkk", "mem_01m803s7a9efr83zrxpt57gdkm"
_EVENT, _EARLIER = "evt_01m803s7gqeg495d2k6mktghcw", "evt_01m803s7fte01vczsvmxq1xfnd"
_ENDPOINT = "whe_01m803s75be4dbcqhtzb2fsjwe"
_AT, _RECORDED = "2026-11-21T09:41:00Z", "2026-11-21T09:41:00.873Z"
_POINTS: Mapping[str, Any] = {"points": {"points": 50}}
_OF: Mapping[str, Any] = {**_POINTS, "of": _EARLIER}
_AWAITS: Mapping[str, Any] = {"awaits": {"source": "till", "kind": "purchase", "id": "till7-000123"}}
_FRIENDS: Mapping[str, Any] = {"referrer": _OTHER, "referee": _MEMBER}
_REWARD: Mapping[str, Any] = {"reward": "coffee", "name": "A free coffee", "rule": "first", "issued_by": 2}
_BONUS: Mapping[str, Any] = {**_POINTS, "side": "referrer", "referee": _OTHER}

CATALOG: Mapping[str, Entry] = {
    messages.ENROLLED: Entry("A person joined.", Enrolled, {"referrer": _OTHER}, "enrolment"),
    messages.ACTIVITY: Entry("Something that is no sale was recorded.", Activity, {"activity": "survey"}, "activity"),
    messages.EARNED: Entry("An event gave points; `points` has them by unit.", Moved, _POINTS),
    messages.AVAILABLE: Entry("Points that waited can be spent now.", MovedAbout, _OF, "fulfilment"),
    messages.REDEEMED: Entry("Points were spent.", Moved, _POINTS, "redemption"),
    messages.RESTORED: Entry(
        "Points are where they came from: what spent them was taken back, or their end undone.",
        MovedAbout,
        _OF,
        "cancellation",
    ),
    messages.REVERSED: Entry("Points were taken back, because what gave them came back.", MovedAbout, _OF, "return"),
    messages.EXPIRING: Entry(
        "Points will end soon: so many days ahead as the program says.",
        Expiring,
        {**_POINTS, "expires_at": "2026-12-31T23:00:00Z", "valid_until": "2026-12-31"},
        "expiry_notice",
        by_clock=True,
    ),
    messages.EXPIRED: Entry("Points ended at their date.", Moved, _POINTS, "expiry", by_clock=True),
    messages.HELD: Entry(
        "Points were kept aside for a purchase to come.",
        HoldPlaced,
        {**_POINTS, "lapses_at": "2026-11-21T09:56:00Z"},
        "hold",
    ),
    messages.CAPTURED: Entry(
        "Points of a hold were spent; `held` is what it still keeps.",
        HoldCaptured,
        {**_OF, "held": {"points": 20}},
        "capture",
    ),
    messages.RELEASED: Entry("A hold was given up; its points are free again.", HoldEnded, _OF, "release"),
    messages.HOLD_EXPIRED: Entry(
        "A hold lapsed; its points are free again.", HoldEnded, _OF, "hold_timeout", by_clock=True
    ),
    messages.ADJUSTED: Entry(
        "A person gave or took points by hand.", Adjusted, {**_POINTS, "reason": "goodwill"}, "adjustment"
    ),
    messages.TRANSFERRED: Entry(
        "Points went from one member to another; each side is told.",
        Transferred,
        {**_POINTS, "side": "given", "other": _OTHER},
        "transfer",
    ),
    messages.UPGRADED: Entry(
        "A member reached a tier.", TierChanged, {"ladder": "status", "before": "bronze", "tier": "silver"}
    ),
    messages.DOWNGRADED: Entry(
        "A member lost a tier.", TierChanged, {"ladder": "status", "before": "silver", "tier": "bronze"}, "return"
    ),
    messages.TIER_RENEWED: Entry(
        "A member keeps a tier after its review.",
        TierRenewed,
        {"ladder": "status", "tier": "gold", "review_at": "2028-12-31T23:00:00Z"},
        "tier_review",
        by_clock=True,
    ),
    messages.TIER_EXPIRING: Entry(
        "A member will lose a tier at `ends_at`, as things stand; `next` is what is left.",
        TierExpiring,
        {"ladder": "status", "tier": "gold", "next": "silver", "ends_at": "2027-12-31T23:00:00Z"},
        "tier_notice",
        by_clock=True,
    ),
    messages.CLAIMED: Entry(
        "A member named the friend who brought them.", ReferralMoved, {**_FRIENDS, "state": "claimed"}, "referral_claim"
    ),
    messages.QUALIFIED: Entry(
        "A friend made a first purchase that counts; the bonuses follow.",
        ReferralMoved,
        {**_FRIENDS, "state": "qualified", "due_at": "2026-12-05T23:00:00Z"},
    ),
    messages.REFERRAL_HELD: Entry(
        "A referral waits for a person to look at it; `reasons` says why.",
        ReferralMoved,
        {**_FRIENDS, "state": "claimed", "reasons": ["same_fingerprint"]},
        "referral_claim",
    ),
    messages.REFERRAL_LAPSED: Entry(
        "No purchase that counts came in time; nobody gets a bonus.",
        ReferralMoved,
        {**_FRIENDS, "state": "lapsed"},
        "referral_lapse",
        by_clock=True,
    ),
    messages.REWARDED: Entry(
        "A bonus was given for bringing a friend.", Bonus, _BONUS, "referral_bonus", by_clock=True
    ),
    messages.REFERRAL_REVERSED: Entry(
        "A bonus for bringing a friend was taken back.", Bonus, _BONUS, "referral_reversal", by_clock=True
    ),
    messages.ISSUED: Entry(
        "A member was given a reward, such as a free coffee: hand it out.",
        RewardIssued,
        {**_REWARD, "valid_until": "2026-12-21", "expires_at": "2026-12-21T23:00:00Z"},
    ),
    messages.REWARD_CANCELLED: Entry(
        "A reward was taken back with the goods that it was given for.", RewardNamed, _REWARD, "return"
    ),
    messages.RULES_PUBLISHED: Entry(
        "The program has a new version of its rules, in force now or later.",
        RulesPublished,
        {
            "program": "prg_01m803s7a9efr83zrxpt57gdkk",
            "version": 4,
            "digest": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
            "in_force_from": "2026-11-30T23:00:00Z",
        },
    ),
    messages.DISABLED: Entry(
        "Another endpoint of the shop was disabled; `reason` says why.",
        EndpointDisabled,
        {"endpoint": _ENDPOINT, "source": "webshop", "reason": "failing"},
    ),
    messages.EXHAUSTED: Entry(
        "All attempts to deliver a message to another endpoint of the shop have failed.",
        MessageExhausted,
        {
            "endpoint": _ENDPOINT,
            "source": "webshop",
            "message": "msg_01m803s7nre23vkyff4y6tn6d7",
            "type": "points.earned",
            "attempts": 10,
            "held": False,
        },
    ),
    messages.TEST: Entry("You asked for it, to see that messages arrive.", Tested, {"endpoint": _ENDPOINT}),
    messages.PARKED: Entry("An event waits for the one that it names.", Waiting, _AWAITS, "return"),
    messages.UNPARKED: Entry(
        "What an event waited for has come: it was recorded, or refused; `outcome` says which.",
        Unparked,
        {"outcome": "refused", "code": "more_than_left"},
        "return",
    ),
    messages.LAPSED: Entry("An event waited too long; its id is free again.", Waiting, _AWAITS, "return"),
}
"""Every type of message that is sent."""


def example(type: str) -> dict[str, Any]:
    """A whole body."""
    entry = CATALOG[type]
    if not issubclass(entry.data, AboutMember):
        return {"type": type, "timestamp": _RECORDED, "data": dict(entry.extra)}
    data: dict[str, Any] = {
        "member": _MEMBER,
        "sequence": 5,
        "event": _EVENT,
        "source": "zegel" if entry.by_clock else "till",
        "kind": entry.kind,
        "id": f"{entry.kind}:1" if entry.by_clock else "till7-000124",
        "occurred_at": _AT,
    }
    if entry.of_event:
        balances = {"points": {"balance": 280, "available": 260}}
        data |= {"event_sequence": 3, "effective_at": _AT, "balances": balances}
    return {"type": type, "timestamp": _RECORDED, "data": {**data, **entry.extra}}


def schema(type: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON Schema of a whole body, and the schemas that it refers to by name.

    It is open where what is sent is closed: readers must tolerate new fields.
    """
    data = CATALOG[type].data.model_json_schema(ref_template="#/components/schemas/{model}")
    named = data.pop("$defs", {})
    for one in (data, *named.values()):
        one.pop("additionalProperties", None)
    body = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": type},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it was recorded."},
            "data": data,
        },
    }
    return body, named
