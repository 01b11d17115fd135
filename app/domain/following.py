"""What an event brings with it: the clock's events right behind it, posted as its consequence in the same commit."""

from collections.abc import Mapping

from app.domain import chain, holds, reviews
from app.domain.commands import CLOCK
from app.domain.events import MILESTONES, Recorded
from app.domain.notices import NOTICE
from app.domain.settling import ACTIVATION, EXPIRY

SHOWN = (*MILESTONES, ACTIVATION, reviews.REVIEW, EXPIRY, holds.TIMEOUT)
"""The kinds that move points, tiers or gifts: what a milestone brings (A9), what had been missed (T8), what is over."""

_NOTICES = (NOTICE, reviews.NOTICE)
KINDS = (*SHOWN, *_NOTICES)
"""The kinds that may stand behind an event; what was scheduled is an event for itself, whenever it is run."""

MOST = 1_000
"""How many events behind one are looked at."""


def of(own: Recorded, later: Mapping[int, Recorded]) -> tuple[Recorded, ...]:
    """What followed on an event that somebody sent, of the member's events after it by their numbers, in order.

    Decided on, or read again, it is the same: an event that is judged by another instant is of another command, since
    what was due by the event's own instant had been settled before it (semantics L7).
    """
    if own.source == CLOCK or own.sequence + 1 not in later:
        return ()
    judged_at = chain.decode_content(own.content).judged_at
    found: list[Recorded] = []
    for sequence in range(own.sequence + 1, own.sequence + 1 + MOST):
        one = later.get(sequence)
        if one is None or one.source != CLOCK or one.kind not in KINDS or one.recorded_at != own.recorded_at:
            break
        if chain.decode_content(one.content).judged_at != judged_at:
            break
        found.append(one)
    return tuple(one for one in found if one.kind in SHOWN)
