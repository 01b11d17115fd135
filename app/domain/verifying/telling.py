"""Whether a member's messages are all there, and what is told again is what was told."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from app.domain import typeid
from app.domain.events import Posted, Recorded
from app.domain.verifying import places
from app.domain.verifying.history import History, StoredEvent, StoredMessage
from app.domain.verifying.places import Finding


def findings(history: History) -> Iterator[Finding]:
    """Numbered without gaps, from the first one on that must still be there."""
    number, others = 0, {notice.number for notice in history.notices}
    sure = history.messages_from is None
    for stored in history.events:
        for message in stored.messages:
            number = _past(number, others) + 1
            if sure and message.number != number:
                yield Finding(places.of_event(stored.recorded), f"message {number} is missing")
            number = message.number
            if message.created_at != stored.recorded.recorded_at:
                yield Finding(places.of_event(stored.recorded), f"message {number} is not dated as its event")
            sure = sure or not history.may_lack(stored)
    for notice in history.notices:
        if not _own(notice, history):
            place = places.of_member(history.state.id)
            yield Finding(place, f"message {notice.number} does not say what it is kept as")
    number = _past(number, others)
    if sure and number != history.state.messages:
        place = places.of_member(history.state.id)
        yield Finding(place, f"has {number} messages, and should have {history.state.messages}")


def same_told(stored: StoredEvent, again: Posted, history: History) -> bool:
    """Whether what was told is what would be told; of an old event, as far as it is still there."""
    told = [_told(m.number, m.type, m.body, of=stored.recorded) for m in stored.messages]
    would = [_told(m.number, m.type, m.body, of=again.recorded) for m in again.messages]
    if not history.may_lack(stored):
        return told == would
    return all(_unnumbered(one) in map(_unnumbered, would) for one in told)


def _own(notice: StoredMessage, history: History) -> bool:
    """Whether a message that no event brought is of its member, number and type."""
    try:
        said = orjson.loads(notice.body)
        kept = (said["type"], said["data"]["member"], said["data"]["sequence"])
        written = orjson.dumps(said) == notice.body
    except (ValueError, LookupError, TypeError):  # nothing that we write
        return False
    return written and kept == (notice.type, typeid.encode(typeid.MEMBER, history.state.id), notice.number)


def _past(number: int, others: set[int]) -> int:
    """The number of the last message before the next one of an event."""
    while number + 1 in others:
        number += 1
    return number


class _Told(NamedTuple):
    """What a message says; `sound` if it is written as we write, and of the event that it came with."""

    number: int
    type: str
    said: Any
    sound: bool


def _told(number: int, type: str, body: bytes, *, of: Recorded) -> _Told:
    try:
        said = orjson.loads(body)
        as_we_write = orjson.dumps(said) == body
        sound = said["data"].pop("event") == typeid.encode(typeid.EVENT, of.id) and as_we_write
    except (ValueError, LookupError, TypeError):  # nothing that we write
        return _Told(number, type, {"data": {}}, False)
    return _Told(number, type, said, sound)


def _unnumbered(told: _Told) -> _Told:
    """Without the number, which nobody can tell once those before it are gone."""
    said = {name: value for name, value in told.said["data"].items() if name != "sequence"}
    return told._replace(number=0, said={**told.said, "data": said})
