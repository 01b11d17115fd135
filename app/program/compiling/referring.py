"""Referral terms as the core reads them."""

from collections.abc import Mapping

from app.domain import rules, units
from app.program import document as documents
from app.program.compiling import amounts


def terms(
    referrals: documents.Referrals,
    known: Mapping[str, units.Unit],
    currencies: Mapping[str, int],
    *,
    shortage: rules.Shortage,
) -> rules.ReferralTerms:
    """What bringing a friend gives; `shortage` is what becomes of spent points where they are not forgiven."""

    def bonus(side: documents.Bonus | None) -> tuple[str, int] | None:
        return None if side is None else (side.unit, amounts.whole_parts(side.points, known[side.unit].decimals))

    minimum = {} if referrals.minimum is None else amounts.minor_units(referrals.minimum, currencies)
    return rules.ReferralTerms(
        minimum=dict.fromkeys(currencies, 0) | minimum,
        lapse=referrals.lapse,
        referrer=bonus(referrals.referrer),
        referee=bonus(referrals.referee),
        wait=referrals.wait,
        shortage=rules.FORGIVEN if referrals.reversal == "clamp" else shortage._replace(forgive=False),
        review=None if referrals.review is None else rules.ClaimLimit(referrals.review.claims, referrals.review.within),
    )
