"""What a member says of themselves and is marked with, apart from the ledger: attributes and tags (semantics M5)."""

from collections.abc import Mapping
from datetime import date, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from app.domain import chain
from app.domain.conditions import MOST_TEXTS
from app.domain.state import HeldTag
from app.domain.tags import BY_HAND

MOST_ATTRIBUTES = 64


class Profile(NamedTuple):
    """What lies with a member: birthday and when its date was last changed, attributes, and tags in their order."""

    birthday: date | None = None
    attributes: Mapping[str, Any] = {}
    tags: tuple[HeldTag, ...] = ()
    birthday_changed_at: datetime | None = None


class Birthday(NamedTuple):
    """The day on which a member was born; none takes away what was said."""

    day: date | None


class Change(NamedTuple):
    """What is to be other: an attribute that is None is taken away, and so is a tag; a tag ends, or does not."""

    attributes: Mapping[str, Any] = {}
    removed: frozenset[str] = frozenset()
    tags: Mapping[str, datetime | None] = {}
    birthday: Birthday | None = None


class TooMany(Exception):
    """More attributes or tags than a member may have; `what` names them."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"at most {most} {what}")
        self.what, self.most = what, most


def version(profile: Profile) -> str:
    """What tells a profile from any other: its ETag."""
    said = [profile.birthday, profile.attributes, [list(tag) for tag in profile.tags]]
    return blake2b(chain.canonical(_plain(said)), digest_size=12).hexdigest()


def changed(profile: Profile, change: Change, *, now: datetime) -> Profile:
    """The profile as it is from now on. Raises TooMany."""
    attributes = {**profile.attributes, **change.attributes}
    attributes = {name: value for name, value in attributes.items() if value is not None}
    if len(attributes) > MOST_ATTRIBUTES:
        raise TooMany("attributes", MOST_ATTRIBUTES)
    before = {tag.tag: tag for tag in profile.tags if tag.sequence == BY_HAND}
    new = [HeldTag(tag, BY_HAND, _since(before.get(tag), now), until) for tag, until in change.tags.items()]
    kept = [tag for tag in profile.tags if tag.tag not in change.removed and not _replaced(tag, change)]
    if len({tag.tag for tag in (*kept, *new)}) > MOST_TEXTS:
        raise TooMany("tags", MOST_TEXTS)
    born = profile if change.birthday is None else _born(profile, change.birthday.day, now=now)
    return born._replace(attributes=attributes, tags=tuple(sorted((*kept, *new), key=_name)))


def _born(profile: Profile, day: date | None, *, now: datetime) -> Profile:
    """Another date is a change, the first that is told is none: one that was taken away is told once more (K3)."""
    if day == profile.birthday:
        return profile
    first = profile.birthday is None and profile.birthday_changed_at is None
    return profile._replace(birthday=day, birthday_changed_at=None if first else now)


def _replaced(tag: HeldTag, change: Change) -> bool:
    return tag.sequence == BY_HAND and tag.tag in change.tags


def _since(before: HeldTag | None, now: datetime) -> datetime:
    """A tag that is still there goes on; one that has ended begins anew."""
    return now if before is None or (before.until is not None and before.until <= now) else before.since


def _name(tag: HeldTag) -> tuple[str, int]:
    return tag.tag, tag.sequence


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
