"""Proving a member's books from what is stored: the chain, the sums, and the decisions taken again (semantics L15)."""

from app.domain.verifying.deciding import decide_again
from app.domain.verifying.grouping import by_clock, group_at
from app.domain.verifying.history import History, StoredEvent, StoredMessage
from app.domain.verifying.places import Finding
from app.domain.verifying.proving import findings
from app.domain.verifying.sharing import Totals, recalled, shared_findings

__all__ = [
    "Finding",
    "History",
    "StoredEvent",
    "StoredMessage",
    "Totals",
    "by_clock",
    "decide_again",
    "findings",
    "group_at",
    "recalled",
    "shared_findings",
]
