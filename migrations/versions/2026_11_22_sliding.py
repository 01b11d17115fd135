"""Accounts that end by themselves are found by an index; `active_until` is null in all others."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "account_active_until_idx",
        "account",
        ["program_id", "active_until"],
        postgresql_where=sa.text("active_until IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("account_active_until_idx", table_name="account")
