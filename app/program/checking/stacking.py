"""How rules come together: groups of one unit, and caps that limit something."""

from collections.abc import Iterator

from app.program import document
from app.program.checking import names
from app.program.document import Cap, Periods, Rule
from app.program.parsing import Path, Problem
from app.program.parts import Parts


def check(parts: Parts) -> Iterator[Problem]:
    """What is wrong with groups, with what rules end, and with caps of all kinds."""
    units: dict[str, str] = {}
    ways: dict[str, bool] = {}
    for path, rule in parts.rules:
        yield from _ends(path, rule)
        if rule.group is not None:
            yield from _grouped((*path, "group"), rule, parts, units, ways)
        yield from _of_rule((*path, "caps"), rule, parts)
    for path, group in parts.groups:
        yield from _caps((*path, "caps"), group.caps, units.get(group.id), parts)
    for code, unit in parts.units.items():
        if unit is not None:
            yield from _caps(("units", code, "caps"), unit.caps, code, parts)
    yield from _of_program(parts)


def _ends(path: Path, rule: Rule) -> Iterator[Problem]:
    """A reward is of no unit, so it neither counts together with others nor ends them."""
    if rule.reward is not None:
        for name in ("group", "exclusive", "stop"):
            if getattr(rule, name):
                yield Problem((*path, name), "is for rules that give points: a reward is of no unit")
    if rule.multiply is not None and rule.exclusive:
        yield Problem((*path, "exclusive"), "must not stand beside multiply: what is multiplied is given by others")


def _grouped(path: Path, rule: Rule, parts: Parts, units: dict[str, str], ways: dict[str, bool]) -> Iterator[Problem]:
    """A group holds rules that give one unit, or multipliers of one."""
    assert rule.group is not None
    if rule.group not in parts.group_ids:
        yield Problem(path, "there is no such group", names.nearest(rule.group, parts.group_ids))
        return
    if rule.unit is None:
        return
    if units.setdefault(rule.group, rule.unit) != rule.unit:
        yield Problem(path, f"is a group of rules on {units[rule.group]}: a group is of one unit")
    multiplies = rule.multiply is not None
    if ways.setdefault(rule.group, multiplies) is not multiplies:
        yield Problem(path, "holds both rules that give and rules that multiply: make it two groups")


def _of_rule(path: Path, rule: Rule, parts: Parts) -> Iterator[Problem]:
    yield from _caps(path, rule.caps, rule.unit, parts)
    if rule.caps and rule.multiply is not None and rule.multiply <= 1:
        yield Problem(path, "limits nothing: a multiplier up to 1 adds no points")
    for index, cap in enumerate(rule.caps):
        if rule.reward is not None and cap.points is not None:
            yield Problem((*path, index, "points"), "a reward is no points: limit its times")


def _of_program(parts: Parts) -> Iterator[Problem]:
    """Points of all units that can be spent are counted together, so they must be counted alike."""
    for path, cap in parts.caps:
        yield from _cap(path, cap)
        decimals = {unit.decimals for unit in parts.units.values() if unit is not None and unit.spendable}
        if cap.points is not None and len(decimals) > 1:
            yield Problem((*path, "points"), "counts units with different decimals together: give the units caps")
        elif cap.points is not None:
            counted = (code for code, unit in parts.units.items() if unit is not None and unit.spendable)
            yield from _whole((*path, "points"), cap, next(counted, None), parts)


def _caps(path: Path, caps: tuple[Cap, ...], unit: str | None, parts: Parts) -> Iterator[Problem]:
    for index, cap in enumerate(caps):
        yield from _cap((*path, index), cap)
        yield from _whole((*path, index, "points"), cap, unit, parts)


def _cap(path: Path, cap: document.Cap) -> Iterator[Problem]:
    if cap.points is None and cap.times is None:
        yield Problem(path, "must limit points, times or both")
    if cap.per == "event" and cap.times is not None:
        yield Problem((*path, "times"), "an event counts once: limit its points, or the times of a member")
    if cap.per == "event" and cap.in_ is not None:
        yield Problem((*path, "in"), "must not stand beside per: event")
    if cap.per == "program" and isinstance(cap.in_, Periods) and cap.in_.from_ == "joining":
        yield Problem((*path, "in"), "all members together have no day of joining")


def _whole(path: Path, cap: Cap, unit: str | None, parts: Parts) -> Iterator[Problem]:
    if cap.points is not None and unit is not None:
        yield from names.whole_parts(path, cap.points, unit, parts)
