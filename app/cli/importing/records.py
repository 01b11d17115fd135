"""Records of a CSV file of any size, one after another in constant memory, each with its place in the file."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from app.cli.errors import CliError

RECORD_BYTES = 256 * 1024
RECORD_LINES = 100
"""A record may contain this many quoted line ends; more, and a quote was left open."""
_KEPT = 100_000
_HEAD_BYTES = 64 * 1024
_HEAD_LINES = 50
_DELIMITERS = ",;\t|"
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Place:
    """A position between two lines: bytes before it, and the number of the line that follows, from 1."""

    offset: int = 0
    line: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be sent: a code, and a sentence for a person."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record: the line it starts on, its fields, and the place after it. With a fault, fields are what was seen."""

    line: int
    fields: tuple[str, ...]
    after: Place
    fault: Fault | None = None

    @property
    def blank(self) -> bool:
        return self.fault is None and not any(value.strip() for value in self.fields)


@dataclass(frozen=True, slots=True)
class Format:
    """How the file is written."""

    delimiter: str = ","
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: int
    number: int
    cut: bool
    after: Place


@dataclass(slots=True)
class _Source:
    """The lines of a file; lines that a broken record took along are put back."""

    file: BinaryIO
    encoding: str
    place: Place
    waiting: deque[_Line] = field(default_factory=deque)

    def take(self) -> _Line | None:
        return self.waiting.popleft() if self.waiting else self._read()

    def put_back(self, lines: list[_Line]) -> None:
        self.waiting.extendleft(reversed(lines))

    def _read(self) -> _Line | None:
        raw = self.file.readline(RECORD_BYTES)
        if not raw:
            return None
        size, cut, last = len(raw), False, raw
        while len(last) == RECORD_BYTES and not last.endswith(b"\n"):
            cut = True
            last = self.file.readline(RECORD_BYTES)
            size += len(last)
        number = self.place.line
        if self.place.offset == 0:
            raw = raw.removeprefix(_BOM)
        self.place = Place(self.place.offset + size, number + 1)
        text = raw.decode(self.encoding, "surrogateescape")
        return _Line(text, size, number, cut, self.place)


def records(file: BinaryIO, *, start: Place, format: Format) -> Iterator[Record]:
    """Every record from a place on, the broken ones with their fault; after one of those, the next line goes on."""
    file.seek(start.offset)
    source = _Source(file, format.encoding, start)
    while (first := source.take()) is not None:
        yield _record(first, source, format)


def detect(file: BinaryIO, *, encoding: str, delimiter: str | None) -> Format:
    """How the file is written; the delimiter is the one that cuts its first lines into the most equal rows."""
    try:
        plain = "\n".encode(encoding) == b"\n"
    except LookupError:
        raise CliError(f"there is no encoding {encoding}: use one such as utf-8 or cp1252") from None
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if not plain or head.startswith(_UTF_16):
        raise CliError("the file is in UTF-16: save it as CSV in UTF-8")
    if not head.strip():
        raise CliError("the file is empty")
    if delimiter is not None:
        return Format(delimiter, encoding)
    lines = head.decode(encoding, "replace").splitlines(keepends=True)[:_HEAD_LINES]
    return Format(max(_DELIMITERS, key=lambda mark: _columns(lines, mark)), encoding)


def _columns(lines: list[str], delimiter: str) -> tuple[int, int]:
    """How well a delimiter fits: rows as wide as the first one, and its width; 0 where it cuts nothing."""
    widths: list[int] = []
    try:
        for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
            if row:
                widths.append(len(row))
    except csv.Error:
        pass  # the part before the trouble tells enough
    if not widths or widths[0] < 2:
        return 0, 0
    return widths.count(widths[0]), widths[0]


def _record(first: _Line, source: _Source, format: Format) -> Record:
    taken = [first]

    def feed() -> Iterator[str]:
        yield first.text
        size = first.size
        while len(taken) < RECORD_LINES and size < RECORD_BYTES and (line := source.take()) is not None:
            taken.append(line)
            size += line.size
            yield line.text

    try:
        if first.cut:
            return _broken(
                first, "row_too_long", f"the line is longer than {RECORD_BYTES:,} bytes; this is its beginning"
            )
        fields = tuple(next(csv.reader(feed(), delimiter=format.delimiter, strict=True, skipinitialspace=True), ()))
    except csv.Error as error:
        source.put_back(taken[1:])
        why = "a quote is left open" if "unexpected end" in str(error) else str(error)
        return _broken(first, "bad_quotes", f"the line cannot be read as CSV: {why}")
    if any(line.cut for line in taken):
        source.put_back(taken[1:])
        return _broken(first, "bad_quotes", "the line cannot be read as CSV: a quote is left open")
    return Record(first.number, fields, taken[-1].after, _unreadable(fields))


def _broken(line: _Line, code: str, detail: str) -> Record:
    return Record(line.number, (line.text.rstrip("\r\n")[:_KEPT],), line.after, Fault(code, detail))


def _unreadable(fields: tuple[str, ...]) -> Fault | None:
    text = "".join(fields)
    if "\0" in text:
        return Fault("nul_byte", "the row contains a NUL byte")
    if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text):
        return None
    return Fault("undecodable", "the row has bytes that are not in the file's encoding: see --encoding")
