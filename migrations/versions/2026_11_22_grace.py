"""The few entries that give lots a new end are found by an index."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "entry_moving_idx",
        "entry",
        ["program_id", "member_id"],
        postgresql_where=sa.text("available_at IS NULL AND expires_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("entry_moving_idx", table_name="entry")
