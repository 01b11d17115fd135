"""Whether the shops that rules name are shops of the program."""

from collections.abc import Collection, Iterator

from app.program import checking
from app.program.document import Document
from app.program.reading import Mistake


def unknown(document: Document, shops: Collection[str]) -> Iterator[Mistake]:
    """The shops that rules name and the program does not have.

    A program without any shop has not been set up yet: it may name those to come.
    """
    if not shops:
        return
    for index, rule in enumerate(document.rules):
        for at, shop in enumerate(rule.shops or ()):
            if shop not in shops:
                pointer = f"/rules/{index}/shops/{at}"
                yield Mistake(pointer, None, "there is no such shop", checking.nearest(shop, shops))
