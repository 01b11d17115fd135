"""What all parts of a document share: strictness, and money in one currency or in each."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

from app.program import fields

FORMAT = 1
"""The format of documents that this version reads, named by the key `zegel`."""


# The tags of unions appear in pydantic's errors: in brackets they cannot be taken for names of the document.
def _one_or_each(value: object) -> str:
    return "<each>" if isinstance(value, dict) else "<one>"


MoneyAboveZero = Annotated[
    Annotated[fields.AboveZero, Tag("<one>")] | Annotated[dict[fields.CurrencyCode, fields.AboveZero], Tag("<each>")],
    Discriminator(_one_or_each),
]
Money = Annotated[
    Annotated[fields.Number, Tag("<one>")] | Annotated[dict[fields.CurrencyCode, fields.Number], Tag("<each>")],
    Discriminator(_one_or_each),
]


class Part(BaseModel):
    """The base of all parts: unknown names are refused, nothing is coerced, nothing changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
