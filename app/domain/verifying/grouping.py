"""Which stored events one decision brought."""

from collections.abc import Sequence
from typing import Any

from app.domain import chain, holds, posting, reviews
from app.domain.commands import CLOCK, Occurrence, ReferralBonus, ReferralLapse, ReferralReversal
from app.domain.notices import NOTICE
from app.domain.settling import ACTIVATION, EXPIRY
from app.domain.verifying.history import StoredEvent


def group_at(events: Sequence[StoredEvent], at: int) -> Sequence[StoredEvent]:
    """One command's event, with the ends that it undid before it; or the run of clock events of one settling."""
    if not by_clock(events[at]):
        own = next((n for n in range(at, len(events)) if not _brought(events[n])), at)
        return events[at : own + 1] if _revives(events[at]) else events[at : at + 1]
    end, last = at + 1, _settled_in(events[at])
    while end < len(events) and by_clock(events[end]):
        following = _settled_in(events[end])
        if following[0] != last[0] or following[1] < last[1]:
            break
        end, last = end + 1, following
    return events[at:end]


def by_clock(stored: StoredEvent) -> bool:
    """Whether it is the clock's, so that settling writes it, and no command."""
    return stored.recorded.source == CLOCK and stored.recorded.kind in _CLOCK_KINDS


def _revives(stored: StoredEvent) -> bool:
    return stored.recorded.source == CLOCK and stored.recorded.kind == posting.REVIVAL


def _brought(stored: StoredEvent) -> bool:
    """Whether it stands before the command's own event that brought it, or that it was settled for."""
    return _revives(stored) or by_clock(stored)


def _settled_in(stored: StoredEvent) -> tuple[Any, Any]:
    """When a clock event was written, and its place in the order of one settling (semantics T3)."""
    content = chain.decode_content(stored.recorded.content)
    rank = min(_CLOCK_KINDS.index(content.kind), _CLOCK_KINDS.index(ReferralBonus.kind))
    order = (content.effective_at, rank, content.key if content.kind in SCHEDULED else "")
    return (content.recorded_at, content.judged_at), order


SCHEDULED = (ReferralBonus.kind, ReferralReversal.kind, ReferralLapse.kind, Occurrence.kind)
"""What the worker submits when it falls due."""

_CLOCK_KINDS = (NOTICE, reviews.NOTICE, holds.TIMEOUT, ACTIVATION, reviews.REVIEW, EXPIRY, *SCHEDULED)
"""In the order in which one instant brings them (semantics T3); what is scheduled, by its key."""
