"""What two documents say differently: a list of places, which a person can read.

Compared are canonical documents, in which defaults are left out and numbers are text. Items of lists that have an `id`
are matched by it, so that a rule that moved is the same rule.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ADDED, REMOVED, CHANGED, MOVED = "added", "removed", "changed", "moved"

_VALUE_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Difference:
    """A place that differs: its JSON Pointer (of what was removed in the old document, else in the new one).

    `place` names it as people do, with the ids of list items; `before` and `after` are what stands there, None for
    nothing. What moved is in another place of a list in which order counts: then they are its positions.
    """

    pointer: str
    place: tuple[str, ...]
    kind: str
    before: Any
    after: Any

    def __str__(self) -> str:
        place = " › ".join(self.place) or "the document"
        match self.kind:
            case "added":
                return f"{place}: added {_shown(self.after)}"
            case "removed":
                return f"{place}: removed {_shown(self.before)}"
            case "moved":
                return f"{place}: moved from place {self.before + 1} to place {self.after + 1}"
            case _:
                return f"{place}: {_shown(self.before)} → {_shown(self.after)}"


def differences(before: bytes, after: bytes) -> tuple[Difference, ...]:
    """What differs between two canonical documents, in the order of names, items as the new one orders them."""
    return tuple(_differing(json.loads(before), json.loads(after), old="", new="", place=()))


def text(found: Sequence[Difference]) -> str:
    """The differences for people, a line each."""
    return "\n".join(str(difference) for difference in found) or "nothing differs"


def _differing(before: Any, after: Any, *, old: str, new: str, place: tuple[str, ...]) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _mappings(before, after, old=old, new=new, place=place)
    elif (one := _by_id(before)) is not None and (two := _by_id(after)) is not None:
        yield from _lists(one, two, old=old, new=new, place=place)
    else:
        yield Difference(new, place, CHANGED, before, after)


def _mappings(
    before: Mapping[str, Any], after: Mapping[str, Any], *, old: str, new: str, place: tuple[str, ...]
) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        step, here = "/" + name.replace("~", "~0").replace("/", "~1"), (*place, name)
        if name not in after:
            yield from _gone(before[name], old + step, here)
        elif name not in before:
            yield from _come(after[name], new + step, here)
        else:
            yield from _differing(before[name], after[name], old=old + step, new=new + step, place=here)


def _lists(
    before: Mapping[str, tuple[int, Any]],
    after: Mapping[str, tuple[int, Any]],
    *,
    old: str,
    new: str,
    place: tuple[str, ...],
) -> Iterator[Difference]:
    for id, (at, item) in before.items():
        if id not in after:
            yield Difference(f"{old}/{at}", (*place, id), REMOVED, item, None)
    stayed = _in_order([id for id in before if id in after], [id for id in after if id in before])
    for id, (at, item) in after.items():
        if id not in before:
            yield Difference(f"{new}/{at}", (*place, id), ADDED, None, item)
            continue
        was, earlier = before[id]
        if id not in stayed:
            yield Difference(f"{new}/{at}", (*place, id), MOVED, was, at)
        yield from _differing(earlier, item, old=f"{old}/{was}", new=f"{new}/{at}", place=(*place, id))


def _gone(value: Any, pointer: str, place: tuple[str, ...]) -> Iterator[Difference]:
    items = _by_id(value)
    if items:
        yield from (
            Difference(f"{pointer}/{at}", (*place, id), REMOVED, item, None) for id, (at, item) in items.items()
        )
    else:
        yield Difference(pointer, place, REMOVED, value, None)


def _come(value: Any, pointer: str, place: tuple[str, ...]) -> Iterator[Difference]:
    items = _by_id(value)
    if items:
        yield from (Difference(f"{pointer}/{at}", (*place, id), ADDED, None, item) for id, (at, item) in items.items())
    else:
        yield Difference(pointer, place, ADDED, None, value)


def _by_id(value: Any) -> dict[str, tuple[int, Any]] | None:
    """The items of a list by their ids, with their positions; None for anything else."""
    if not isinstance(value, list) or not all(isinstance(item, dict) and "id" in item for item in value):
        return None
    return {item["id"]: (at, item) for at, item in enumerate(value)}


def _in_order(before: Sequence[str], after: Sequence[str]) -> frozenset[str]:
    """A largest set of ids that stand in the same order in both: the others have moved."""
    at = {id: position for position, id in enumerate(before)}
    best: list[tuple[str, ...]] = []  # best[n] is a run of n + 1 that ends as early as any
    for id in after:
        longer = next((n for n, run in enumerate(best) if at[run[-1]] > at[id]), len(best))
        run = (*(best[longer - 1] if longer else ()), id)
        best[longer : longer + 1] = [run]
    return frozenset(best[-1] if best else ())


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_SHOWN else text[: _VALUE_SHOWN - 1] + "…"
