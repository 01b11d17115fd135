"""The plans of hot statements, as the service's connections make them: once, without looking at the values."""

from typing import Any

import asyncpg


async def plan(owner: asyncpg.Connection, statement: Any) -> str:
    """The plan that the service's connections use: made without looking at the values."""
    types = ", ".join(["unknown"] * len(statement.order))
    await owner.execute("SET plan_cache_mode = force_generic_plan")
    await owner.execute(f"PREPARE planned ({types}) AS {statement.sql}")
    found = await owner.fetch(f"EXPLAIN EXECUTE planned ({', '.join(['NULL'] * len(statement.order))})")
    await owner.execute("DEALLOCATE planned")
    return "\n".join(row[0] for row in found)
