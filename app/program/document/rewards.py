"""What members can be given besides points."""

from typing import Annotated

from pydantic import Field

from app.program import fields
from app.program.document.base import Part


class Reward(Part):
    """Something a member is given, such as a free coffee. Shops are told, and hand it out."""

    name: Annotated[fields.Name, Field(description="What members read, such as A free coffee.")]
    valid: Annotated[
        fields.LongSpan | None, Field(description="How long it can be used, such as P30D; the last day counts whole.")
    ] = None
