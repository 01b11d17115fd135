"""Whether a member's events are those that were hashed, none missing, each on the one before (semantics L15)."""

import json
from collections.abc import Iterator
from typing import Any

from app.domain import chain, holds, posting
from app.domain.chain import Content
from app.domain.commands import (
    Cancellation,
    Capture,
    Fulfilment,
    Purchase,
    PurchaseChange,
    Release,
    Return,
    TransferReversal,
)
from app.domain.events import UNREACHED
from app.domain.state import GENESIS
from app.domain.verifying import places
from app.domain.verifying.history import History, StoredEvent
from app.domain.verifying.places import Finding


def findings(history: History) -> Iterator[Finding]:
    """Numbers without gaps, columns equal to the hashed content, each hash on the one before."""
    head = GENESIS
    for number, stored in enumerate(history.events, start=1):
        event = stored.recorded
        if event.sequence != number:
            yield Finding(places.of_event(event), f"event {number} is missing")
            return
        if chain.event_hash(head, event.content, event.entries) != event.hash:
            yield Finding(
                places.of_event(event), "its hash does not cover its content, entries and draws after the event before"
            )
        head = event.hash
        try:
            content = chain.decode_content(event.content)
        except ValueError as error:
            yield Finding(places.of_event(event), f"its content cannot be read: {error}")
            continue
        yield from _columns(history, stored, content)
    if history.state.sequence != len(history.events):
        wanted, found = history.state.sequence, len(history.events)
        yield Finding(places.of_member(history.state.id), f"has {found} events, and should have {wanted}")
    if history.state.head != head:
        yield Finding(places.of_member(history.state.id), "the member's head is not the hash of the last event")


def _columns(history: History, stored: StoredEvent, content: Content) -> Iterator[Finding]:
    event = stored.recorded
    pairs: dict[str, tuple[Any, Any]] = {
        "program": (history.program_id, content.program_id),
        "member": (event.member_id, content.member_id),
        "event_id": (event.id, content.event_id),
        "sequence": (event.sequence, content.sequence),
        "source": (event.source, content.source),
        "kind": (event.kind, content.kind),
        "key": (event.key, content.key),
        "occurred_at": (event.occurred_at, content.occurred_at),
        "effective_at": (event.effective_at, content.effective_at),
        "recorded_at": (event.recorded_at, content.recorded_at),
        "rules_version": (event.rules_version, content.rules_version),
        "engine": (event.engine, content.engine),
        "digest": (event.digest, content.digest),
        "about": (event.about, _about(content)),
    }
    for name, (column, hashed) in pairs.items():
        if column != hashed:
            yield Finding(places.of_event(event), f"column {name} differs from the hashed content")
    salt, body = stored.particulars or (b"", b"")
    if chain.particulars_hash(body, salt=salt) != content.particulars_hash:
        yield Finding(places.of_event(event), "its particulars are not those that were hashed")


def _about(content: Content) -> bytes | None:
    """The earlier event that the content says this one is about."""
    context = json.loads(content.context) if content.kind in _ABOUT and content.context else {}
    return bytes.fromhex(context["of"]) if "of" in context else None


_ABOUT = (
    Purchase.kind,
    Return.kind,
    PurchaseChange.kind,
    Fulfilment.kind,
    Cancellation.kind,
    Capture.kind,
    Release.kind,
    holds.TIMEOUT,
    TransferReversal.kind,
    UNREACHED,
    posting.REVIVAL,
)
