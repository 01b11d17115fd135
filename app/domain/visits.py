"""How often a member has bought: what stands counts, so that a first purchase wholly returned was none (A8, A11)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain import periods, usage
from app.domain.effects import Case
from app.domain.periods import LIFETIME
from app.domain.rules import Rules
from app.domain.state import MemberState, Usage

VISITS = "visits"
"""Where a purchase's context tells how many purchases stood before it, by the code of the periods."""


def seen(state: MemberState, case: Case) -> dict[str, int]:
    """How many purchases stand before this one, in each of the periods that a rule counts them in."""
    return {
        within.code: state.purchases
        if within == LIFETIME
        else usage.used(state, _counter(within.code), _bounds(state, case.rules, within, case.occurred_at)[0]).times
        for within in case.rules.visits
    }


def counted(
    state: MemberState, rules: Rules, context: Mapping[str, Any], case: Case, *, times: int, at: datetime | None = None
) -> MemberState:
    """The state with a purchase more, or one less, in the periods that its `context` counts; it occurred `at`."""
    state = state._replace(purchases=state.purchases + times)
    names = context.get(VISITS, {})
    counts = [
        Usage(_counter(within.code), *_bounds(state, rules, within, at or case.occurred_at), times=times)
        for within in rules.visits
        if within != LIFETIME and within.code in names
    ]
    return usage.added(state, counts, now=case.moment.judged_at, kept=case.rules.late) if counts else state


def _counter(periods_code: str) -> str:
    return f"visits:{periods_code}"


def _bounds(state: MemberState, rules: Rules, within: periods.Within, at: datetime) -> tuple[datetime, datetime | None]:
    return periods.bounds(within, at, zone=rules.zone, enrolled_at=state.enrolled_at)
