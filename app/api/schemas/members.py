"""Members, as they are enrolled and read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.api.schemas.common import (
    Attribute,
    AttributeName,
    Code,
    Id,
    In,
    Instant,
    Name,
    Out,
    Page,
    example,
    maybe_time,
    time,
)
from app.api.schemas.events import Birthday, PersonIn
from app.domain import referrals, tiers, typeid
from app.domain.rules import Rules
from app.domain.state import Account, HeldTag, MemberState, OpenLot
from app.queries.balances import Balance
from app.queries.members import Person


class MemberIn(PersonIn):
    """A person to enrol. `id` names the enrolment for ever; without it, send an `Idempotency-Key` header."""

    id: Id | None = None
    occurred_at: Instant | None = Field(default=None, description="When they joined; now if left out.")
    channel: Name | None = None
    location: Name | None = None
    if_exists: Literal["refuse", "return"] = Field(
        default="refuse", description="What to do if an identity belongs to a member: refuse, or return that member."
    )

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "id": "web-signup-882",
                "identities": {"card": "2740001234574", "email": "bram@example.com"},
                "birthday": "1990-02-28",
            }
        )
    )


class LookupIn(In):
    """Who is this? By an identity or a member id."""

    member: Annotated[str, StringConstraints(min_length=3, max_length=360)]
    include: list[Literal["balance", "tier"]] = Field(default=[], max_length=2)

    model_config = ConfigDict(
        json_schema_extra=example({"member": "card:2740001234567", "include": ["balance", "tier"]})
    )


class IdentityOut(Out):
    """How a member is known."""

    kind: str
    value: str


class ExpiringOut(Out):
    """Points that end at an instant."""

    points: int
    expires_at: str = Field(description="The first instant at which they can no longer be spent.")
    valid_until: str = Field(description="The last day, in the program's zone, on which they can be spent.")


class BalanceOut(Out):
    """One account by the instant."""

    balance: int = Field(description="What the member has: available, pending and held, less what is owed.")
    available: int = Field(description="What can be spent now.")
    pending: int
    held: int
    deficit: int
    decimals: int = Field(description="Shift the point this far for display.")
    name: str
    spendable: bool
    expiring: list[ExpiringOut] = Field(description="The next 12 instants on which something expires.")


class BalancesOut(Out):
    """All accounts of a member."""

    member: str
    units: dict[str, BalanceOut]


class BenefitOut(Out):
    """What a tier brings besides points."""

    id: str
    kind: str
    text: str
    value: str | None


class TierUnitOut(Out):
    """What counts of one unit of a ladder, in its smallest part."""

    unit: str
    qualifying: int = Field(description="What counts now.")
    next_at: int | None = Field(description="What the next tier asks for.")
    needed: int | None = Field(description="What is missing for the next tier.")
    needed_to_stay: int | None = Field(
        description="What is missing to keep the tier at its review, besides what will still count then."
    )


class TierOut(Out):
    """A member's place on a ladder."""

    ladder: str
    unit: str | None = Field(description="The unit, or the first of them; null where all tiers are given.")
    tier: str
    name: str
    since: str | None = Field(description="When it was reached; null for the first tier.")
    qualifying: int = Field(description="What counts toward the ladder now, in the unit's smallest part.")
    next_tier: str | None
    next_at: int | None = Field(description="The next tier's threshold.")
    needed: int | None = Field(description="What is missing for the next tier.")
    units: list[TierUnitOut] = Field(description="The same for each unit, with what is missing to stay.")
    join: Literal["all", "any"] = Field(description="Whether a tier asks for enough of all units, or of any.")
    review_at: str | None = Field(description="When it is looked at again; null for never.")
    grace_until: str | None = Field(description="A review was missed: until when the tier can still be earned.")
    projected_tier: str | None = Field(description="What is left then, if nothing happens; null without a review.")
    given: bool = Field(description="Whether it was given: by a person, a rule or a plan.")
    given_until: str | None = Field(description="Until when it is given; null for until it is taken away.")
    benefits: list[BenefitOut]


class TiersOut(Out):
    """A member's place on every ladder."""

    member: str
    tiers: list[TierOut]


class TagIn(In):
    """A tag, for good or until an instant."""

    until: Instant | None = Field(default=None, description="The first instant without it; for good if left out.")


class ProfileIn(In):
    """What is to be other; what is not named stays. null takes an attribute, a tag or the birthday away."""

    birthday: Birthday | None = Field(
        default=None,
        description="Another date is not kept within 30 days of the change; the first that is told is no change.",
        examples=["1990-02-28"],
    )
    attributes: dict[AttributeName, Attribute | None] = Field(default={}, max_length=64)
    tags: dict[Code, TagIn | None] = Field(
        default={}, max_length=64, description="Set by hand; null also takes away what rules gave."
    )

    model_config = ConfigDict(
        json_schema_extra=example(
            {"attributes": {"city": "Utrecht"}, "tags": {"vip": {"until": "2027-12-31T23:00:00Z"}, "trial": None}}
        )
    )


class TagOut(Out):
    """A tag that a member has."""

    since: str
    until: str | None = Field(description="The first instant without it; null if it does not end.")


class MemberOut(Out):
    """A member."""

    id: str
    enrolled_at: str
    referral_code: str = Field(description="For friends to name when they join.")
    referred_by: str | None
    referral: str = Field(
        description="How far the member's own referral has come: none, claimed, qualified, rewarded, review, lapsed, "
        "rejected."
    )
    identities: list[IdentityOut]
    birthday: str | None
    attributes: dict[str, Any]
    tags: dict[str, TagOut] = Field(description="The tags held now, set by hand or given by rules.")
    sequence: int = Field(description="The number of the member's last event.")
    balance: BalancesOut | None = None
    tier: TiersOut | None = None


class LotOut(Out):
    """Points credited together of which something remains; named by the event and entry that credited them."""

    sequence: int
    position: int
    unit: str
    credited: int
    remaining: int
    reserved: int
    occurred_at: str
    available_at: str | None = Field(description="From when they can be spent; null while they wait for a fulfilment.")
    expires_at: str | None
    state: Literal["pending", "active", "expired"]


class LotPage(Page):
    """Open lots, oldest first."""

    lots: list[LotOut]


def member(state: MemberState, person: Person, *, now: datetime) -> dict[str, Any]:
    """The member as an answer shows them."""
    profile = person.profile
    return {
        "id": typeid.encode(typeid.MEMBER, state.id),
        "enrolled_at": maybe_time(state.enrolled_at),
        "referral_code": state.referral_code,
        "referred_by": None if state.referrer is None else typeid.encode(typeid.MEMBER, state.referrer),
        "referral": referrals.shown(state, now=now),
        "identities": [{"kind": kind, "value": value} for kind, value in person.identities],
        "birthday": None if profile.birthday is None else profile.birthday.isoformat(),
        "attributes": dict(profile.attributes),
        "tags": _tags(profile.tags, now),
        "sequence": state.sequence,
    }


def _tags(tags: Iterable[HeldTag], now: datetime) -> dict[str, Any]:
    """The tags held now; one that was given several times holds until the last of its ends."""
    shown: dict[str, HeldTag] = {}
    for tag in tags:
        if tag.since <= now and (tag.until is None or now < tag.until):
            other = shown.get(tag.tag, tag)
            ends = None if None in (tag.until, other.until) else max(filter(None, (tag.until, other.until)))
            shown[tag.tag] = tag._replace(since=min(tag.since, other.since), until=ends)
    return {name: {"since": time(tag.since), "until": maybe_time(tag.until)} for name, tag in shown.items()}


def balances(member_id: bytes, found: Sequence[Balance], rules: Rules) -> dict[str, Any]:
    """Every unit of the rules, also those the member has none of yet, and those that only history knows."""
    by_unit = {balance.account.unit: balance for balance in found}
    codes = [*rules.units, *(unit for unit in by_unit if unit not in rules.units)]
    return {
        "member": typeid.encode(typeid.MEMBER, member_id),
        "units": {code: _balance(code, by_unit.get(code), rules) for code in codes},
    }


def tier_list(
    state: MemberState, found: Iterable[Balance], rules: Rules, *, then: Mapping[str, Mapping[str, Account]]
) -> dict[str, Any]:
    """Where the member stands on each ladder of the rules, by the accounts as they are now (semantics T6).

    `then` are the accounts just before the next decision on each ladder.
    """
    accounts = {balance.account.unit: balance.account for balance in found}
    standings = (
        tiers.standing(accounts, state.tiers, ladder, given=state.floors, then=then.get(ladder.code))
        for ladder in rules.ladders
    )
    return {"member": typeid.encode(typeid.MEMBER, state.id), "tiers": [_tier(standing) for standing in standings]}


def _balance(code: str, balance: Balance | None, rules: Rules) -> dict[str, Any]:
    unit = rules.units.get(code)
    account = balance.account if balance is not None else None
    return {
        "balance": account.balance if account else 0,
        "available": account.available if account else 0,
        "pending": account.pending if account else 0,
        "held": account.held if account else 0,
        "deficit": account.deficit if account else 0,
        "decimals": unit.decimals if unit else 0,
        "name": unit.name if unit else code,
        "spendable": unit.spendable if unit else False,
        "expiring": [
            {
                "points": points,
                "expires_at": time(instant),
                "valid_until": (instant - timedelta(microseconds=1)).astimezone(rules.zone).date().isoformat(),
            }
            for instant, points in (balance.expiring if balance is not None else ())
        ],
    }


def _tier(standing: tiers.Standing) -> dict[str, Any]:
    first = next(iter(standing.needs), None)
    return {
        "ladder": standing.ladder.code,
        "unit": None if first is None else first.unit,
        "tier": standing.tier.code,
        "name": standing.tier.name,
        "since": maybe_time(standing.since),
        "qualifying": standing.qualifying,
        "next_tier": None if standing.next is None else standing.next.code,
        "next_at": None if first is None else first.next_at,
        "needed": standing.to_next,
        "units": [
            {
                "unit": need.unit,
                "qualifying": need.qualifying,
                "next_at": need.next_at,
                "needed": need.to_next,
                "needed_to_stay": need.to_stay,
            }
            for need in standing.needs
        ],
        "join": standing.ladder.join.value,
        "review_at": maybe_time(standing.review_at),
        "grace_until": maybe_time(standing.grace_until),
        "projected_tier": None if standing.projected is None else standing.projected.code,
        "given": standing.given,
        "given_until": maybe_time(standing.given_until),
        "benefits": [
            {"id": one.code, "kind": one.kind, "text": one.text, "value": one.value} for one in standing.tier.benefits
        ],
    }


def lot(lot: OpenLot, *, now: datetime) -> dict[str, Any]:
    """An open lot, with its state by the instant (semantics L3)."""
    expired = lot.expires_at is not None and lot.expires_at <= now
    return {
        "sequence": lot.sequence,
        "position": lot.position,
        "unit": lot.unit,
        "credited": lot.credited,
        "remaining": lot.remaining,
        "reserved": lot.kept(now),
        "occurred_at": time(lot.occurred_at),
        "available_at": None if lot.available_at == lot.expires_at else time(lot.available_at),
        "expires_at": maybe_time(lot.expires_at),
        "state": "expired" if expired else "pending" if lot.available_at > now else "active",
    }
