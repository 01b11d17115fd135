"""Whether the decisions, taken again, give what is stored (semantics L15)."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.domain import chain
from app.domain.events import Posted
from app.domain.rules import Versions
from app.domain.state import MemberState
from app.domain.verifying import deciding, ending, grouping, places, sharing, telling
from app.domain.verifying.history import History, StoredEvent
from app.domain.verifying.places import Finding
from app.domain.verifying.sharing import Totals


def findings(history: History, versions: Versions, shared: Totals) -> Iterator[Finding]:
    """Every recorded command through the core again, under the version that judged it; the results must be the same."""
    state = MemberState(id=history.state.id)
    at = 0
    while at < len(history.events):
        group = grouping.group_at(history.events, at)
        told = [message.number for stored in group for message in stored.messages]
        if told:  # what waited outside the chain may have been told in between
            state = state._replace(messages=told[0] - 1)
        before = history.events[: group[0].recorded.sequence - 1]
        state = state._replace(shared=sharing.recalled(group, history.events, versions))
        decision = deciding.decide_again(state, group, versions, program_id=history.program_id, before=before)
        sharing.add(shared, state.shared, decision.state.shared)
        if decision.refusal is not None:
            yield Finding(places.of_event(group[0].recorded), f"the rules refuse it: {decision.refusal.code}")
            return
        again = decision.events
        stored = history.events[at : at + len(again)]
        ids = {two.recorded.id: one.recorded.id for one, two in zip(stored, again, strict=False)}
        differing = [
            (one, two)
            for one, two in zip(stored, again, strict=False)
            if not _same(one, two, ids) or not telling.same_told(one, two, history)
        ]
        if len(stored) < len(again) or not again or differing:
            place = places.of_event(differing[0][0].recorded if differing else group[0].recorded)
            yield Finding(place, "the rules give something else for it")
            return
        at += len(again)
        state = decision.state._replace(head=stored[-1].recorded.hash)
    yield from ending.findings(state, history.state)


def _same(stored: StoredEvent, again: Posted, ids: Mapping[bytes, bytes]) -> bool:
    """Whether a replayed event is the stored one in all that follows from the rules; `ids` are the stored ones."""
    one, two = stored.recorded, again.recorded
    facts = ("sequence", "kind", "key", "occurred_at", "effective_at", "entries", "steps", "accounts", "tier_changes")
    if any(getattr(one, name) != getattr(two, name) for name in facts):
        return False
    said, context = (chain.decode_content(each.content).context for each in (one, two))
    return said == context or chain.context_of(one.content) == _caused(chain.context_of(two.content), ids)


def _caused(context: dict[str, Any], ids: Mapping[bytes, bytes]) -> dict[str, Any]:
    """A context whose cause, where the same decision brought it, has the id that is stored."""
    cause = bytes.fromhex(context.get("cause", ""))
    return {**context, "cause": ids[cause].hex()} if cause in ids else context
