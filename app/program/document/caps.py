"""What rules may give at most, and how several rules count together."""

from typing import Annotated, Literal

from pydantic import Field

from app.program import fields
from app.program.document.base import Part, Within


class Cap(Part):
    """The most that is given: so many points, or so often. It names points, times or both."""

    points: Annotated[fields.AboveZero | None, Field(description="At most so many points.")] = None
    times: Annotated[
        int | None, Field(ge=1, le=1_000_000_000, description="In at most so many events; not for a single event.")
    ] = None
    per: Annotated[
        Literal["event", "member", "program"],
        Field(description="Over what it counts: one event, one member, or all members together."),
    ] = "member"
    in_: Annotated[
        Within | None,
        Field(alias="in", description="The period after which it counts anew; without it, all time."),
    ] = None


class Group(Part):
    """Rules of one unit that count together: all of them, the one that gives most, or the first that gives."""

    id: Annotated[fields.Code, Field(description="A short name, which rules name as their group.")]
    combine: Annotated[
        Literal["sum", "best", "first"],
        Field(description="Which of its rules count: all, the one that gives most, or the first that gives anything."),
    ] = "sum"
    caps: Annotated[tuple[Cap, ...], Field(description="The most that its rules give together.")] = ()
