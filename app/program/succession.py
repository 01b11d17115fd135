"""What a version may not change of what the versions before it counted."""

from collections.abc import Iterable, Iterator, Mapping
from zoneinfo import ZoneInfo

from app.domain.units import Slides, Unit
from app.program import document
from app.program.compiling import compile_unit
from app.program.document import Document
from app.program.reading import Mistake, MistakesInDocument


def check(new: Document, earlier: Iterable[tuple[int, Document]]) -> None:
    """Raises MistakesInDocument where a unit would no longer fit the points that members have of it.

    `earlier` are the published versions, by number, oldest first.
    """
    found = tuple(mistakes(new.units, _zone(new), earlier))
    if found:
        raise MistakesInDocument(found)


def mistakes(
    units: Mapping[str, document.Unit], zone: ZoneInfo, earlier: Iterable[tuple[int, Document]]
) -> Iterator[Mistake]:
    """Where a unit would no longer fit the points that members have of it."""
    known = {
        code: (version, compile_unit(code, unit, _zone(published)))
        for version, published in earlier
        for code, unit in published.units.items()
    }
    for code, unit in units.items():
        if code in known:
            version, before = known[code]
            for field, message in _changes(before, compile_unit(code, unit, zone)):
                yield Mistake(f"/units/{code}/{field}", None, f"{message} (version {version})", None)


def _zone(document: Document) -> ZoneInfo:
    return ZoneInfo(document.time_zone)


def _changes(before: Unit, after: Unit) -> Iterator[tuple[str, str]]:
    if before.decimals != after.decimals:
        yield "decimals", f"members have points with {before.decimals} decimals; give the unit another id"
    if before.has_lots != after.has_lots:  # what has none is a plain sum (semantics L3)
        was = "was spent, expired or waited" if before.has_lots else "was neither spent nor expired nor waited"
        yield "spendable", f"members have points of a unit that {was}, and that cannot change; give it another id"
    elif isinstance(before.expiry, Slides) != isinstance(after.expiry, Slides):  # lots without a date would change
        was = "end together" if isinstance(before.expiry, Slides) else "do not end together"
        yield "expires", f"members have points that {was}, and that cannot change; give the unit another id"
