"""What a scheduled command comes to: between settling, which posts it, and those who decide it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from app.domain.accrual import Step
from app.domain.events import Entry
from app.domain.posting import Tell
from app.domain.state import MemberState, Scheduled


class Run(NamedTuple):
    """The member's state, entries in order, whom to tell, why, what follows, and what besides the facts was judged."""

    state: MemberState
    entries: tuple[Entry, ...] = ()
    tells: tuple[Tell, ...] = ()
    steps: tuple[Step, ...] = ()
    schedules: tuple[Scheduled, ...] = ()
    context: Mapping[str, Any] = MappingProxyType({})
