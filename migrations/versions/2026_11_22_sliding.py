"""Accounts that end by themselves, or of which an end is to be told, are found by an index."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("account", sa.Column("notice_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("account", sa.Column("told_until", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.create_index(
        "account_notice_idx", "account", ["program_id", "notice_at"], postgresql_where=sa.text("notice_at IS NOT NULL")
    )
    op.create_index(
        "account_active_until_idx",
        "account",
        ["program_id", "active_until"],
        postgresql_where=sa.text("active_until IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("account_active_until_idx", table_name="account")
    op.drop_index("account_notice_idx", table_name="account")
    op.drop_column("account", "told_until")
    op.drop_column("account", "notice_at")
