"""Markdown as these tests read it: fenced blocks with their place, tables, and links outside of code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the heading it stands under."""

    page: str
    heading: str
    language: str
    text: str


def page(name: str) -> str:
    """The text of a page, named from the project's root."""
    return (ROOT / name).read_text()


def blocks(name: str, language: str) -> list[Block]:
    """The page's blocks of a language, in order."""
    text = page(name)
    return [
        Block(name, _heading(text[: match.start()]), match[1], match[2])
        for match in _FENCE.finditer(text)
        if match[1] == language
    ]


def without_code(text: str) -> str:
    """A page without fenced blocks and spans of code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def links(text: str) -> Iterator[str]:
    """The addresses that a page links to."""
    for match in _LINK.finditer(without_code(text)):
        yield match[1]


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings make."""
    found = set()
    for line in _FENCE.sub("", text).splitlines():
        if line.startswith("#"):
            words = re.sub(r"[^\w\s-]", "", line.lstrip("#").strip().lower())
            found.add(re.sub(r"\s", "-", words))
    return found


def rows(text: str) -> list[list[str]]:
    """The cells of every row of a page's tables."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def first_cells(text: str) -> dict[str, list[str]]:
    """Rows by the name in backticks that fills their first cell."""
    named = ((re.fullmatch(r"`([^`]+)`", row[0]), row) for row in rows(text))
    return {match[1]: row for match, row in named if match is not None}


def _heading(before: str) -> str:
    found = re.findall(r"^#+ (.+)$", _FENCE.sub("", before), re.MULTILINE)
    return found[-1] if found else ""
