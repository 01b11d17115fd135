"""Whom and what bodies name: members, identities, earlier events."""

from app.api import identities
from app.api.problems import invalid
from app.api.schemas.events import NOBODY, MemberRef
from app.domain import typeid
from app.domain.commands import Identity, Named, Reference

Place = tuple[str | None, str | None, str | None, str | None]
"""Channel, location, terminal, operator."""


def member_of(name: str | MemberRef, key: bytes) -> Reference:
    """Whom an event is about. Raises Problem."""
    if name == NOBODY:
        return Reference()
    try:
        if isinstance(name, str):
            return identities.reference(name, key=key)
        return identities.reference(name.identity, key=key, enrol=name.enrol)
    except ValueError as error:
        raise invalid("/member" if isinstance(name, str) else "/member/identity", str(error)) from None


def receiver_of(name: str, key: bytes) -> Reference:
    """Who is to get points. Raises Problem."""
    try:
        return identities.reference(name, key=key)
    except ValueError as error:
        raise invalid("/to", str(error)) from None


def identity_of(kind: str, value: str, key: bytes) -> Identity:
    """How a person is known. Raises Problem."""
    try:
        return identities.identity(kind, value, key=key)
    except ValueError as error:
        raise invalid(f"/identities/{kind}", str(error)) from None


def earlier_of(id: str, kind: str | None, shop: str | None, source: str) -> Named:
    """An earlier event: by our id if it has the form of one, else by its shop's."""
    ours = typeid.decode(typeid.EVENT, id)
    if ours is not None and shop is not None:
        raise invalid("/shop", "goes with an id of a shop; this one is ours")
    return Named(ours, kind=kind or "") if ours is not None else Named(None, shop or source, kind or "", id)
