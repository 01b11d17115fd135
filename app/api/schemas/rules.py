"""Versions of a program's rules, the draft of the next one, and what they say differently."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.api.schemas.common import In, Instant, Out, Page, example, maybe_time, time
from app.program.differing import Difference
from app.program.reading import Mistake
from app.queries.programs import Draft, Listed


class DraftOut(Out):
    """What may become the next version, as somebody wrote it."""

    revision: int = Field(description="Numbered anew with each change; also the ETag.")
    changed_at: str
    changed_by: str = Field(description="Whose key it was.")
    text: str = Field(description="The document, YAML or JSON, byte for byte.")


class SavedOut(Out):
    """A draft that was kept."""

    revision: int
    changed_at: str
    changed_by: str


class MistakeOut(Out):
    """Something wrong with a document."""

    pointer: str = Field(description="JSON Pointer to the place; empty for the whole document.")
    line: int | None = Field(description="The line of the text.")
    message: str
    suggestion: str | None = Field(description="What was probably meant.")


class CheckedOut(Out):
    """What is wrong with a draft: nothing, if it is sound."""

    revision: int
    sound: bool
    mistakes: list[MistakeOut]


class PublishIn(In):
    """When the draft is to come into force."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        json_schema_extra=example({"in_force_from": "2026-12-01T00:00:00+01:00"}),
    )

    in_force_from: Instant | None = Field(
        default=None, description="An instant to come; without it, at once. Events from then on are judged by it."
    )


AT_ONCE = PublishIn()


class VersionOut(Out):
    """A published version of the rules. It never changes."""

    version: int
    digest: str = Field(description="SHA-256 of the canonical document, in hexadecimal.")
    state: str = Field(
        description="`in_force`, `scheduled`, `past`, or `replaced` by another one before it came into force."
    )
    in_force_from: str
    until: str | None = Field(description="When another version takes over, as far as is known.")
    published_at: str
    published_by: str


class VersionPage(Page):
    """Versions, newest first."""

    versions: list[VersionOut]


class DifferenceOut(Out):
    """A place at which two documents differ."""

    pointer: str = Field(description="JSON Pointer; of what was removed in the old document, else in the new one.")
    kind: str = Field(description="`added`, `removed`, `changed`, or `moved` in a list in which order counts.")
    before: Any
    after: Any
    text: str


class DifferencesOut(Out):
    """What two documents say differently."""

    before: str = Field(description="A version, or `draft`.")
    after: str = Field(description="A version, or `draft`.")
    differences: list[DifferenceOut]
    text: str = Field(description="The same for people, a line each.")


def draft(found: Draft) -> dict[str, Any]:
    """The answer for a draft."""
    return saved(found.revision, at=found.changed_at, by=found.changed_by) | {"text": found.text.decode()}


def saved(revision: int, *, at: datetime, by: str) -> dict[str, Any]:
    """The answer for a draft that was kept."""
    return {"revision": revision, "changed_at": time(at), "changed_by": by}


def checked(revision: int, mistakes: Iterable[Mistake]) -> dict[str, Any]:
    """The answer for a draft that was checked."""
    found = [
        {"pointer": one.pointer, "line": one.line, "message": one.message, "suggestion": one.suggestion}
        for one in mistakes
    ]
    return {"revision": revision, "sound": not found, "mistakes": found}


def version(found: Listed, *, now: datetime) -> dict[str, Any]:
    """The answer for one version."""
    return {
        "version": found.version,
        "digest": found.digest.hex(),
        "state": found.state(now),
        "in_force_from": time(found.in_force_from),
        "until": maybe_time(found.until),
        "published_at": time(found.published_at),
        "published_by": found.published_by,
    }


def difference(found: Difference) -> dict[str, Any]:
    """The answer for one place that differs."""
    return {
        "pointer": found.pointer,
        "kind": found.kind,
        "before": found.before,
        "after": found.after,
        "text": str(found),
    }
