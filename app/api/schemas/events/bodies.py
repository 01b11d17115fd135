"""Any event, alone or in a batch."""

from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter

from app.api.schemas.common import In
from app.api.schemas.events.joining import EnrolmentIn, OpeningIn, ReferralClaimIn
from app.api.schemas.events.sales import (
    ActivityIn,
    CancellationIn,
    FulfilmentIn,
    PurchaseChangeIn,
    PurchaseIn,
    ReturnIn,
)
from app.api.schemas.events.spending import CaptureIn, HoldIn, RedemptionIn, ReleaseIn, TransferIn

EventBody = (
    PurchaseIn
    | PurchaseChangeIn
    | FulfilmentIn
    | ReturnIn
    | ActivityIn
    | RedemptionIn
    | HoldIn
    | CaptureIn
    | ReleaseIn
    | CancellationIn
    | TransferIn
    | ReferralClaimIn
    | EnrolmentIn
    | OpeningIn
)
AnyEventIn = Annotated[EventBody, Field(discriminator="type")]
EVENT = TypeAdapter[EventBody](AnyEventIn)
TYPES = tuple(name for body in get_args(EventBody) for name in get_args(body.model_fields["type"].annotation))
"""What `type` may say."""


class BatchIn(In):
    """Up to 500 events, judged by when they occurred, then by position; each has its own outcome."""

    events: list[Any] = Field(
        min_length=1,
        json_schema_extra={"items": {"$ref": "#/components/schemas/AnyEventIn"}, "maxItems": 500},
    )
