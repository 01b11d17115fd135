"""What a proof finds, and the places where it does."""

from dataclasses import dataclass

from app.domain import typeid
from app.domain.events import Recorded


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree: the exact place, and what is wrong there."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def of_member(id: bytes) -> str:
    """A member, as findings name them."""
    return f"member {typeid.encode(typeid.MEMBER, id)}"


def of_event(event: Recorded) -> str:
    """An event, as findings name it."""
    return f"{of_member(event.member_id)} event {event.sequence} ({typeid.encode(typeid.EVENT, event.id)})"
