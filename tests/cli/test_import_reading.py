"""Reading what shops write: amounts and dates in their forms, records in theirs, in constant memory."""

import io
import tracemalloc
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.importing import columns, records, rows
from app.cli.importing.columns import Named
from app.cli.importing.records import Format, Place
from app.cli.importing.rows import Mark

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    ("text", "mark", "exact"),
    [
        ("29.330", Mark.POINT, "29.33"),
        ("29.33", Mark.POINT, "29.33"),
        ("1,234.50", Mark.POINT, "1234.50"),
        ("1,234", Mark.POINT, "1234.00"),
        ("1234567.8", Mark.POINT, "1234567.80"),
        (".5", Mark.POINT, "0.50"),
        ("5.", Mark.POINT, "5.00"),
        ("007", Mark.POINT, "7.00"),
        ("0", Mark.POINT, "0.00"),
        ("-0.00", Mark.POINT, "0.00"),
        ("-3.10", Mark.POINT, "-3.10"),
        ("+3.10", Mark.POINT, "3.10"),
        ("€ 12.50", Mark.POINT, "12.50"),
        ("-€12.50", Mark.POINT, "-12.50"),
        ("€-12.50", Mark.POINT, "-12.50"),
        ("12.50 eur", Mark.POINT, "12.50"),
        ("1 234.50", Mark.POINT, "1234.50"),
        ("1'234'567.00", Mark.POINT, "1234567.00"),
        ("1.234.567,89", Mark.COMMA, "1234567.89"),
        ("29,330", Mark.COMMA, "29.33"),
        ("29.330", Mark.COMMA, "29330.00"),
        ("1\u00a0234,5 €", Mark.COMMA, "1234.50"),
    ],
)  # fmt: skip
def test_amounts_are_read_exactly(text: str, mark: Mark, exact: str) -> None:
    assert rows.amount(text, currency="EUR", decimals=2, mark=mark) == exact


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("29,33", "say --decimal comma"),
        ("1,23,456", "not an amount"),
        ("1,234 567", "not an amount"),
        ("1e3", "not an amount"),
        ("nan", "not an amount"),
        ("", "not an amount"),
        (".", "not an amount"),
        ("--1", "not an amount"),
        ("-€-1", "not an amount"),
        ("12 USD", "not an amount"),
        ("1.2.3", "not an amount"),
        ("٣", "not an amount"),
        ("0.001", "more decimals than the 2 of EUR"),
        ("29.330000000000002", "more decimals"),
    ],
)
def test_what_is_no_exact_amount_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        rows.amount(text, currency="EUR", decimals=2, mark=Mark.POINT)


def test_a_currency_without_decimals_takes_whole_amounts() -> None:
    assert rows.amount("¥1,200.00", currency="JPY", decimals=0, mark=Mark.POINT) == "1200"


@pytest.mark.parametrize(
    ("text", "format", "utc"),
    [
        ("2026-11-21", None, "2026-11-20T23:00:00"),
        ("2026-07-01", None, "2026-06-30T22:00:00"),
        ("2026-11-21T09:41:00", None, "2026-11-21T08:41:00"),
        ("2026-11-21 09:41", None, "2026-11-21T08:41:00"),
        ("2026-11-21T09:41:00Z", None, "2026-11-21T09:41:00"),
        ("2026-11-21T09:41:00.123-05:00", None, "2026-11-21T14:41:00.123000"),
        ("21/11/2026", "%d/%m/%Y", "2026-11-20T23:00:00"),
        ("11/21/26 9:41 PM", "%m/%d/%y %I:%M %p", "2026-11-21T20:41:00"),
        ("2026-11-21 09:41 +0000", "%Y-%m-%d %H:%M %z", "2026-11-21T09:41:00"),
    ],
)
def test_dates_are_midnight_where_the_program_is(text: str, format: str | None, utc: str) -> None:
    found = rows.instant(text, format=format, zone=AMSTERDAM)

    assert found.replace(tzinfo=None).isoformat() == utc


@pytest.mark.parametrize("text", ["21-11-2026", "2026-02-30", "0001-01-01", "", "now"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        rows.instant(text, format=None, zone=AMSTERDAM)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b,c\n1,2,3\n", ","),
        ("a;b;c\n1;2,5;3\n1;2,5;3\n", ";"),
        ("a\tb\n1,5\t2,5\n", "\t"),
        ('a|b\n"x,y,z"|2\n', "|"),
        ('"a, b";c\n"1;2";3\n', ";"),
        ("alone\n1\n", ","),
    ],
)
def test_the_delimiter_is_the_one_that_cuts_equal_rows(text: str, delimiter: str) -> None:
    assert records.detect(io.BytesIO(text.encode()), encoding="utf-8", delimiter=None).delimiter == delimiter


def test_a_quote_left_open_costs_its_own_line_alone() -> None:
    text = b'a,b\n1,"x\ny"\n2,"open\n' + b"3,z\n" * 200 + b'4,"q" w\n5,e\n'

    read = list(records.records(io.BytesIO(text), start=Place(), format=Format()))

    broken = [(record.line, record.fields) for record in read if record.fault is not None]
    assert broken == [(4, ('2,"open',)), (205, ('4,"q" w',))]
    assert (read[1].line, read[1].fields) == (2, ("1", "x\ny"))
    assert read[-1].fields == ("5", "e")
    assert read[-1].after == Place(len(text), 207)


@given(
    st.lists(st.lists(st.text(alphabet='ab,;"\n\r é', max_size=4), min_size=2, max_size=3), max_size=8), st.integers(0)
)
def test_reading_goes_on_at_the_place_after_any_record(table: list[list[str]], at: int) -> None:
    quoted = [",".join('"' + value.replace('"', '""') + '"' for value in row) for row in table]
    file = io.BytesIO("\r\n".join(quoted).encode())

    whole = list(records.records(file, start=Place(), format=Format()))
    places = [Place(), *(record.after for record in whole)]
    start = at % len(places)
    rest = list(records.records(file, start=places[start], format=Format()))

    assert rest == whole[start:]
    assert [list(record.fields) for record in whole] == table


@given(st.binary(max_size=300))
def test_any_bytes_are_read_to_the_end(content: bytes) -> None:
    read = list(records.records(io.BytesIO(content), start=Place(), format=Format()))

    assert (read[-1].after.offset if read else 0) == len(content)
    assert [record.line for record in read] == sorted({record.line for record in read})


def test_a_file_of_any_size_takes_the_same_memory() -> None:
    class Endless(io.RawIOBase):
        """Lines without end, the worst among them a quote left open and a line of a megabyte."""

        def __init__(self) -> None:
            self.left = [b'1,"open\n', b"2," + b"x" * 1_000_000 + b"\n", b"3,a\n"] * 300

        def readline(self, size: int | None = -1, /) -> bytes:
            if not self.left:
                return b""
            line = self.left.pop(0)
            if size is not None and 0 < size < len(line):
                self.left.insert(0, line[size:])
            return line[:size]

        def seek(self, offset: int, whence: int = 0, /) -> int:
            return 0

    tracemalloc.start()
    endless = records.records(Endless(), start=Place(), format=Format())  # type: ignore[arg-type]
    read = sum(1 for _ in endless)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert read == 900
    assert peak < 8_000_000


def test_columns_are_guessed_by_the_likeliest_header() -> None:
    found = columns.find(["Order Number", "Customer-ID", "Created at", "Date", "Sub", "Total"], Named())

    assert (found.id, found.member, found.date, found.amount, found.count) == (0, 1, 3, 5, 6)


def test_a_dash_says_that_no_column_has_the_id() -> None:
    assert columns.find(["order_id", "customer", "date", "amount"], Named(id="-")).id is None
