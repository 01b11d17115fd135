"""What a caller or the clock asks for: one typed command per event that may come of it.

Named tuples where a value has no kind, as in `state`: each event is made of half a dozen of them.
"""

from app.domain.commands.by_hand import Adjustment, ReferralReview, TierFloor, Verdict
from app.domain.commands.command import Command, Facts, Mode, Naming, names
from app.domain.commands.joining import Enrolment, OpenedLot, OpenedTier, OpenedTotal, Opening, ReferralClaim
from app.domain.commands.references import CLOCK, OPERATIONS, RESERVED, Identity, Named, Reference
from app.domain.commands.sales import (
    Activity,
    Cancellation,
    Fulfilment,
    Line,
    LooseReturn,
    Payment,
    Purchase,
    PurchaseChange,
    Return,
    ReturnedLine,
)
from app.domain.commands.scheduled import Occurrence, ReferralBonus, ReferralLapse, ReferralReversal
from app.domain.commands.spending import (
    Capture,
    Hold,
    PassedLot,
    Redemption,
    Release,
    Transfer,
    TransferIn,
    TransferReversal,
)

__all__ = [
    "CLOCK",
    "OPERATIONS",
    "RESERVED",
    "Activity",
    "Adjustment",
    "Cancellation",
    "Capture",
    "Command",
    "Enrolment",
    "Facts",
    "Fulfilment",
    "Hold",
    "Identity",
    "Line",
    "LooseReturn",
    "Mode",
    "Named",
    "Naming",
    "Occurrence",
    "OpenedLot",
    "OpenedTier",
    "OpenedTotal",
    "Opening",
    "PassedLot",
    "Payment",
    "Purchase",
    "PurchaseChange",
    "Redemption",
    "Reference",
    "ReferralBonus",
    "ReferralClaim",
    "ReferralLapse",
    "ReferralReversal",
    "ReferralReview",
    "Release",
    "Return",
    "ReturnedLine",
    "TierFloor",
    "Transfer",
    "TransferIn",
    "TransferReversal",
    "Verdict",
    "names",
]
