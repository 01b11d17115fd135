"""What only new texts are held to: whatever is found out later, versions that are published stay readable."""

from collections.abc import Collection, Iterator

from app.program.checking import names
from app.program.document import Rule
from app.program.parsing import Path, Problem
from app.program.parts import Parts


def check(parts: Parts, *, shops: Collection[str]) -> Iterator[Problem]:
    """What is wrong with rules that are to be published: shops that there are not, and words that do nothing."""
    for path, rule in parts.rules:
        yield from _shops(path, rule, shops)
        if rule.tag is not None:
            yield from _idle(path, rule, "tag")
        if rule.tier is not None:
            yield from _idle(path, rule, "tier")


def _shops(path: Path, rule: Rule, shops: Collection[str]) -> Iterator[Problem]:
    for index, shop in enumerate(rule.shops or ()):
        if shops and shop not in shops:
            yield Problem((*path, "shops", index), "there is no such shop", names.nearest(shop, shops))


def _idle(path: Path, rule: Rule, way: str) -> Iterator[Problem]:
    """What is of no unit neither counts together with others nor ends them, and is no points (semantics A5)."""
    for name in ("group", "exclusive", "stop"):
        if getattr(rule, name):
            yield Problem((*path, name), f"is for rules that give points: a {way} is of no unit")
    for index, cap in enumerate(rule.caps):
        if cap.points is not None:
            yield Problem((*path, "caps", index, "points"), f"a {way} is no points: limit its times", "times")
