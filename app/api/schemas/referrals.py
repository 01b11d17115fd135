"""Referrals, as persons read them and decide on them (semantics F)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.api.schemas.common import In, Out, Page, example, maybe_time
from app.domain import chain, referrals, typeid
from app.domain.state import MemberState

State = Literal["claimed", "qualified", "rewarded", "review", "lapsed", "rejected"]


class ReviewIn(In):
    """Why a person decides so."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)] = Field(
        description="In words; kept where it can be erased, and never sent to shops."
    )

    model_config = ConfigDict(json_schema_extra=example({"reason": "Two sisters at one address; called both."}))


class ReferralOut(Out):
    """One member brought by another, and how far that has come."""

    id: str = Field(examples=["rfl_01m803s75be4dbcqhtzb2fsjwe"])
    state: State = Field(description="`review` while a person has to look at it.")
    referee: str = Field(description="The friend: who was brought.")
    referrer: str = Field(description="Who brought them.")
    claimed_at: str | None
    lapses_at: str | None = Field(description="Until when the friend's first purchase counts.")
    due_at: str | None = Field(description="When the bonus falls due, while it waits for the end of the return window.")
    reasons: list[Literal["same_email", "same_fingerprint", "many_claims"]] = Field(
        description="Why a person has to look at it."
    )


class ReferralPage(Page):
    """Referrals, in the order in which the friends joined."""

    referrals: list[ReferralOut]


class MemberReferrals(Page):
    """By whom a member was brought, and those whom they brought, in the order in which these named them."""

    referred: ReferralOut | None = Field(description="The referral by which the member came.")
    referrals: list[ReferralOut]


def particulars(body: ReviewIn) -> bytes:
    """The words, which lie apart from the ledger (semantics M4)."""
    return chain.canonical({"reason": body.reason})


def referral(state: MemberState, *, now: datetime) -> dict[str, Any]:
    """A referral as an answer shows it, from its referee."""
    assert state.referrer is not None
    return {
        "id": typeid.encode(typeid.REFERRAL, state.id),
        "state": referrals.shown(state, now=now),
        "referee": typeid.encode(typeid.MEMBER, state.id),
        "referrer": typeid.encode(typeid.MEMBER, state.referrer),
        "claimed_at": maybe_time(state.referral_claimed_at),
        "lapses_at": maybe_time(state.referral_lapses_at),
        "due_at": maybe_time(state.referral_due_at),
        "reasons": list(referrals.reasons(state)),
    }
