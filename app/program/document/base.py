"""What all parts of a document share: strictness, and money in one currency or in each."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

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


def _from(value: object) -> str:
    return "<joining>" if value == "joining" else "<day>"


def _within(value: object) -> str:
    return "<name>" if isinstance(value, str) else "<from>"


class Part(BaseModel):
    """The base of all parts: unknown names are refused, nothing is coerced, nothing changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Periods(Part):
    """Periods that follow each other from a day on, or from the day on which the member joined."""

    every: Annotated[
        Literal["day", "week", "month", "quarter", "half_year", "year"], Field(description="How long each of them is.")
    ]
    from_: Annotated[
        Annotated[fields.Day, Tag("<day>")] | Annotated[Literal["joining"], Tag("<joining>")],
        Discriminator(_from),
        Field(alias="from", description="A day on which one begins, such as 2026-03-01; or joining."),
    ]


Within = Annotated[
    Annotated[Literal["day", "week", "month", "quarter", "half_year", "year", "lifetime"], Tag("<name>")]
    | Annotated[Periods, Tag("<from>")],
    Discriminator(_within),
]
"""The period in which something is counted: of the calendar, from a day on, from joining, or the member's lifetime."""
