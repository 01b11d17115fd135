"""Events, as shops send them (semantics E2, A1)."""

from app.api.schemas.events.bodies import EVENT, AnyEventIn, BatchIn, EventBody
from app.api.schemas.events.common import LINES, NOBODY, EventIn, MemberName, MemberRef, Quantity
from app.api.schemas.events.joining import (
    Birthday,
    EnrolmentIn,
    OpenedLotIn,
    OpenedTierIn,
    OpenedTotalIn,
    OpeningIn,
    PersonIn,
    ReferralClaimIn,
)
from app.api.schemas.events.sales import (
    ActivityIn,
    CancellationIn,
    FulfilmentIn,
    LineIn,
    PaymentIn,
    PurchaseChangeIn,
    PurchaseIn,
    ReturnedLineIn,
    ReturnIn,
    SaleIn,
)
from app.api.schemas.events.spending import CaptureIn, Duration, HoldIn, RedemptionIn, ReleaseIn, TransferIn

__all__ = [
    "EVENT",
    "LINES",
    "NOBODY",
    "ActivityIn",
    "AnyEventIn",
    "BatchIn",
    "Birthday",
    "CancellationIn",
    "CaptureIn",
    "Duration",
    "EnrolmentIn",
    "EventBody",
    "EventIn",
    "FulfilmentIn",
    "HoldIn",
    "LineIn",
    "MemberName",
    "MemberRef",
    "OpenedLotIn",
    "OpenedTierIn",
    "OpenedTotalIn",
    "OpeningIn",
    "PaymentIn",
    "PersonIn",
    "PurchaseChangeIn",
    "PurchaseIn",
    "Quantity",
    "RedemptionIn",
    "ReferralClaimIn",
    "ReleaseIn",
    "ReturnIn",
    "ReturnedLineIn",
    "SaleIn",
    "TransferIn",
]
