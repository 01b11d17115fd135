"""Refusals as they are listed: their facts as JSON, and read again."""

import json
from datetime import UTC, datetime

from app.domain import refusals


def test_every_refusal_is_read_back_from_its_facts() -> None:
    """Whatever is listed can be told."""
    now = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    for one in (
        refusals.TooLate(now),
        refusals.EventIdReused(bytes(16)),
        refusals.UnknownLine("1", ("1", "2")),
        refusals.ExpiryNotPossible("points", None),
        refusals.MoreThanLeft(None, None, 100, "EUR", 2),
    ):
        assert refusals.read(type(one), json.loads(json.dumps(refusals.facts_of(one)))) == one
