"""Everything in a member's books that does not agree."""

from collections.abc import Iterator

from app.domain.rules import Versions
from app.domain.verifying import chaining, places, replaying, summing, telling
from app.domain.verifying.history import History
from app.domain.verifying.places import Finding
from app.domain.verifying.sharing import Totals


def findings(history: History, versions: Versions, *, shared: Totals | None = None) -> Iterator[Finding]:
    """Everything in a member's books that does not agree; nothing where all is well.

    What the member used of caps over all members is added to `shared`.
    """
    shared = {} if shared is None else shared
    if history.torn:
        yield from history.torn
        return
    yield from chaining.findings(history)
    yield from summing.findings(history)
    yield from telling.findings(history)
    try:
        yield from replaying.findings(history, versions, shared)
    except Exception as error:  # tampered rows may break any step of a replay; the place is what matters
        yield Finding(places.of_member(history.state.id), f"replaying stops: {type(error).__name__}: {error}")
