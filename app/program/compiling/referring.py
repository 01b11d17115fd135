"""Referral terms as the core reads them."""

from collections.abc import Mapping

from app.domain import rules, units
from app.program import document as documents
from app.program.compiling import amounts, periods


def terms(
    referrals: documents.Referrals,
    known: Mapping[str, units.Unit],
    currencies: Mapping[str, int],
    *,
    shortage: rules.Shortage,
) -> rules.ReferralTerms:
    """What bringing a friend gives; `shortage` is what becomes of spent points where they are not forgiven."""
    minimum = {} if referrals.minimum is None else amounts.minor_units(referrals.minimum, currencies)
    review, cap = referrals.review, referrals.cap
    return rules.ReferralTerms(
        minimum=dict.fromkeys(currencies, 0) | minimum,
        lapse=referrals.lapse,
        referrer=_gift(referrals.referrer, known),
        referee=_gift(referrals.referee, known),
        wait=referrals.wait,
        shortage=rules.FORGIVEN if referrals.reversal == "clamp" else shortage._replace(forgive=False),
        review=None if review is None else rules.ClaimLimit(review.claims, review.within),
        cap=None if cap is None else rules.ReferralCap(cap.rewards, periods.within(cap.within)),
        milestones=tuple(_milestone(one, referrals.referrer, known) for one in referrals.milestones),
    )


def _gift(side: documents.Bonus | None, known: Mapping[str, units.Unit]) -> rules.ReferralGift | None:
    if side is None:
        return None
    if side.unit is None or side.points is None:
        return rules.ReferralGift(reward=side.reward)
    return rules.ReferralGift(side.unit, amounts.whole_parts(side.points, known[side.unit].decimals))


def _milestone(
    milestone: documents.FriendMilestone, referrer: documents.Bonus | None, known: Mapping[str, units.Unit]
) -> rules.ReferralMilestone:
    code = milestone.unit or (referrer.unit if referrer is not None else None)
    assert code is not None
    points = amounts.whole_parts(milestone.points, known[code].decimals)
    return rules.ReferralMilestone(code, points, milestone.at, milestone.every)
