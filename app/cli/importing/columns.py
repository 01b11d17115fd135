"""Which column of a file says what: named by its reader, or guessed from the headers that shops use."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.cli.errors import CliError

NONE = "-"
"""Given as a column's name: there is none."""

_GUESSES: Mapping[str, tuple[str, ...]] = {
    "id": (
        "order_id", "order_number", "order_no", "order_nr", "orderid", "receipt_id", "receipt_number", "receipt_no",
        "receipt", "invoice_id", "invoice_number", "invoice_no", "invoiceno", "invoice", "transaction_id", "order",
        "transaction", "purchase_id", "sale_id", "ordernummer", "bonnummer",
    ),
    "member": (
        "customer_id", "customer_number", "customer_no", "customer_nr", "customerid", "member_id", "member_number",
        "memberid", "client_id", "user_id", "card_number", "card", "customer", "member", "client", "klantnummer",
    ),
    "date": (
        "occurred_at", "order_date", "purchase_date", "purchased_at", "ordered_at", "transaction_date", "invoice_date",
        "invoicedate", "sale_date", "date_time", "datetime", "timestamp", "date", "created_at", "paid_at", "time",
        "datum",
    ),
    "amount": (
        "amount", "total", "total_amount", "order_total", "order_amount", "grand_total", "revenue", "sales", "spend",
        "purchase_amount", "total_price", "value", "bedrag", "totaal",
    ),
}  # fmt: skip
"""The headers that are taken without being named, the likeliest first; letter case and punctuation do not count."""


@dataclass(frozen=True, slots=True)
class Named:
    """The names given for columns; None is guessed, or left out where it is not needed."""

    id: str | None = None
    member: str | None = None
    date: str | None = None
    amount: str | None = None
    currency: str | None = None
    sku: str | None = None
    quantity: str | None = None
    category: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The position of each column, and how many there are. Without `id`, rows are numbered."""

    count: int
    id: int | None
    member: int
    date: int
    amount: int
    currency: int | None = None
    sku: int | None = None
    quantity: int | None = None
    category: int | None = None
    location: int | None = None


OPENING = (
    "unit", "points", "earned_at", "available_at", "expires_at", "ladder", "tier", "tier_since", "tier_review_at",
    "referral_code",
)  # fmt: skip
"""The columns of a file of openings, besides the member; they have these names."""


@dataclass(frozen=True, slots=True)
class OpeningColumns:
    """The position of each column of a file of openings, and how many there are; of `OPENING` those that are there."""

    count: int
    id: int | None
    member: int
    said: Mapping[str, int]


def find_opening(headers: Sequence[str], named: Named) -> OpeningColumns:
    """Where everything is. Raises CliError for a column that is not there, or cannot be guessed."""
    there = {header.casefold() for header in headers}
    if "points" not in there and "tier" not in there:
        raise CliError(f"there is neither a column points nor a column tier; there are: {_list(headers)}")
    return OpeningColumns(
        count=len(headers),
        id=_at(headers, named.id),
        member=_needed(headers, named.member, "member"),
        said={name: at for name in OPENING if name in there and (at := _at(headers, name)) is not None},
    )


def find(headers: Sequence[str], named: Named) -> Columns:
    """Where everything is. Raises CliError for a column that is not there, or cannot be guessed."""
    return Columns(
        count=len(headers),
        id=_at(headers, named.id) if named.id is not None else _guess(headers, "id"),
        member=_needed(headers, named.member, "member"),
        date=_needed(headers, named.date, "date"),
        amount=_needed(headers, named.amount, "amount"),
        currency=_at(headers, named.currency),
        sku=_at(headers, named.sku),
        quantity=_at(headers, named.quantity),
        category=_at(headers, named.category),
        location=_at(headers, named.location),
    )


def _needed(headers: Sequence[str], name: str | None, what: str) -> int:
    found = _at(headers, name) if name is not None else _guess(headers, what)
    if found is None:
        raise CliError(f"which column is the {what}? Name it with --{what}-column; there are: {_list(headers)}")
    return found


def _at(headers: Sequence[str], name: str | None) -> int | None:
    if name is None or name == NONE:
        return None
    folded = [header.casefold() for header in headers]
    if folded.count(name.casefold()) > 1:
        raise CliError(f"there are several columns named {name}")
    if name.casefold() not in folded:
        raise CliError(f"there is no column {name}; there are: {_list(headers)}")
    return folded.index(name.casefold())


def _guess(headers: Sequence[str], what: str) -> int | None:
    plain = [re.sub(r"[^a-z0-9]+", "_", header.casefold()).strip("_") for header in headers]
    return next((plain.index(guess) for guess in _GUESSES[what] if plain.count(guess) == 1), None)


def _list(headers: Sequence[str]) -> str:
    return ", ".join(header or "(no name)" for header in headers)
