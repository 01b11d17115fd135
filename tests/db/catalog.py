"""PostgreSQL's own description of the schema, as plain values that can be compared."""

from typing import Any

import asyncpg

_TABLES = """
SELECT c.relname AS "table", c.reloptions AS options FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_COLUMNS = """
SELECT c.relname AS "table", a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS needed,
       a.attidentity <> '' AS identity, a.attgenerated <> '' AS generated, pg_get_expr(d.adbin, d.adrelid) AS "default"
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2
"""
_CONSTRAINTS = """
SELECT c.conrelid::regclass::text AS "table", c.conname AS name, c.contype::text AS kind,
       pg_get_constraintdef(c.oid) AS definition, c.condeferrable AS deferrable,
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(c.conkey) WITH ORDINALITY k(number, place)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) AS columns
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
WHERE n.nspname = 'public' AND c.contype <> 'n' AND c.conrelid <> 0 ORDER BY 1, 2
"""
_INDEXES = """
SELECT t.relname AS "table", i.relname AS name, m.amname AS method, x.indisunique AS is_unique,
       pg_get_indexdef(x.indexrelid) AS definition,
       (SELECT array_agg(pg_get_indexdef(x.indexrelid, place, true) ORDER BY place)
        FROM generate_series(1, x.indnkeyatts) place) AS columns
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_am m ON m.oid = i.relam JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = 'public' ORDER BY 1, 2
"""
_GRANTS = """
SELECT table_name AS "table", grantee, privilege_type AS "right" FROM information_schema.role_table_grants
WHERE table_schema = 'public' AND grantee <> grantor ORDER BY 1, 2, 3
"""

Rows = list[dict[str, Any]]


async def tables(connection: asyncpg.Connection) -> Rows:
    """The tables, with their storage options."""
    return await _rows(connection, _TABLES)


async def columns(connection: asyncpg.Connection) -> Rows:
    """Every column of every table."""
    return await _rows(connection, _COLUMNS)


async def constraints(connection: asyncpg.Connection) -> Rows:
    """Every constraint but NOT NULL, with its columns in order. Kinds: p, u, f, c(heck), x (exclude)."""
    return await _rows(connection, _CONSTRAINTS)


async def indexes(connection: asyncpg.Connection) -> Rows:
    """Every index, with its key columns in order and its whole definition."""
    return await _rows(connection, _INDEXES)


async def grants(connection: asyncpg.Connection) -> Rows:
    """Who but the owner may do what with which table."""
    return await _rows(connection, _GRANTS)


async def whole(connection: asyncpg.Connection) -> dict[str, Rows]:
    """All of it, but for the grants and Alembic's own table."""
    found = {
        "tables": await tables(connection),
        "columns": await columns(connection),
        "constraints": await constraints(connection),
        "indexes": await indexes(connection),
    }
    return {name: [row for row in rows if row["table"] != "alembic_version"] for name, rows in found.items()}


async def _rows(connection: asyncpg.Connection, query: str) -> Rows:
    return [dict(row) for row in await connection.fetch(query)]
