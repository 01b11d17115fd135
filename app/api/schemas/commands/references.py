"""Whom and what bodies name: members, identities, earlier events."""

from app.api import identities
from app.api.problems import invalid
from app.api.schemas.events import NOBODY, MemberRef
from app.domain import typeid
from app.domain.commands import Named, Reference

Place = tuple[str | None, str | None, str | None, str | None]
"""Channel, location, terminal, operator."""


def member_of(name: str | MemberRef, key: bytes) -> Reference:
    """Whom an event is about. Raises Problem."""
    if name == NOBODY:
        return Reference()
    if isinstance(name, str):
        return identities.reference(name, at="/member", key=key)
    return identities.reference(name.identity, at="/member/identity", key=key, enrol=name.enrol)


def earlier_of(id: str, kind: str | None, shop: str | None, source: str) -> Named:
    """An earlier event: by our id if it has the form of one, else by its shop's."""
    ours = typeid.decode(typeid.EVENT, id)
    if ours is not None and shop is not None:
        raise invalid("/shop", "goes with an id of a shop; this one is ours")
    return Named(ours, kind=kind or "") if ours is not None else Named(None, shop or source, kind or "", id)
