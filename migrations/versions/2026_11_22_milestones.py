"""The milestones of a member are found by an index of their own."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "event_milestone_idx",
        "event",
        ["program_id", "member_id", "sequence"],
        postgresql_where=sa.text("kind IN ('milestone', 'milestone_reversal')"),
    )


def downgrade() -> None:
    op.drop_index("event_milestone_idx", table_name="event")
