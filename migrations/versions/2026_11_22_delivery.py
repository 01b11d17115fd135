"""Endpoints with an order, limits, a breaker and several secrets; messages and attempts that are kept for a time.

Where a column of an endpoint is empty, the usual holds, so that the version before may go on making endpoints.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)
_COLUMNS: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("paused_at", _INSTANT),
    ("revision", sa.Integer()),
    ("ordering", sa.Text()),
    ("exhausted", sa.Text()),
    ("in_flight", sa.SmallInteger()),
    ("per_second", sa.SmallInteger()),
    ("old_secrets_until", _INSTANT),
    ("rate_at", _INSTANT),
    ("failures", sa.Integer()),
    ("trips", sa.SmallInteger()),
    ("open_until", _INSTANT),
    ("failing_since", _INSTANT),
    ("releasing", sa.Boolean()),
)
_CHECKS = {
    "ordering": "ordering IN ('none', 'member', 'strict')",
    "exhausted": "exhausted IN ('skip', 'hold')",
    "in_flight": "in_flight BETWEEN 1 AND 256",
    "per_second": "per_second BETWEEN 1 AND 1000",
}


def upgrade() -> None:
    for name, type_ in _COLUMNS:
        op.add_column("endpoint", sa.Column(name, type_, nullable=True))
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"endpoint_{name}_check"), "endpoint", condition)
    _states("endpoint", "'enabled', 'paused', 'disabled', 'deleted'")
    _states("delivery", "'delivered', 'exhausted', 'abandoned', 'aborted'")
    op.add_column("pending_delivery", sa.Column("queued_at", _INSTANT, nullable=True))
    op.add_column("pending_delivery", sa.Column("number", sa.BigInteger(), nullable=True))
    op.create_index(
        "pending_delivery_order_idx",
        "pending_delivery",
        ["program_id", "endpoint_id", "ordering_key", "queued_at", "number", "message_id"],
        postgresql_where=sa.text("ordering_key IS NOT NULL"),
    )
    op.create_index(
        "pending_delivery_leased_idx",
        "pending_delivery",
        ["program_id", "endpoint_id", "due_at"],
        postgresql_where=sa.text("lease IS NOT NULL"),
    )
    op.create_index("message_created_idx", "message", ["created_at"], postgresql_using="brin")
    op.create_index("delivery_finished_idx", "delivery", ["finished_at"], postgresql_using="brin")
    op.create_table(
        "retention",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("messages_from", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("program_id", name=op.f("retention_pkey")),
    )


def downgrade() -> None:
    op.drop_table("retention")
    op.drop_index("delivery_finished_idx", table_name="delivery")
    op.drop_index("message_created_idx", table_name="message")
    op.drop_index("pending_delivery_leased_idx", table_name="pending_delivery")
    op.drop_index("pending_delivery_order_idx", table_name="pending_delivery")
    op.drop_column("pending_delivery", "number")
    op.drop_column("pending_delivery", "queued_at")
    op.execute("UPDATE delivery SET state = 'abandoned' WHERE state = 'aborted'")
    op.execute("UPDATE endpoint SET state = 'disabled' WHERE state = 'paused'")
    _states("delivery", "'delivered', 'exhausted', 'abandoned'")
    _states("endpoint", "'enabled', 'disabled', 'deleted'")
    for name in _CHECKS:
        op.drop_constraint(f"endpoint_{name}_check", "endpoint")
    for name, _ in reversed(_COLUMNS):
        op.drop_column("endpoint", name)


def _states(table: str, states: str) -> None:
    """Checked first of new rows, then of those that are there, which locks nobody out."""
    name = f"{table}_state_check"
    op.drop_constraint(name, table)
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (state IN ({states})) NOT VALID")
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
