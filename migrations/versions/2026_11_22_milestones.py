"""The milestones of a member are found by an index of their own; what the calendar brings is armed day by day."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "event_milestone_idx",
        "event",
        ["program_id", "member_id", "sequence"],
        postgresql_where=sa.text("kind IN ('milestone', 'milestone_reversal')"),
    )

    op.add_column("member", sa.Column("bought_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("profile", sa.Column("birthday_changed_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.create_table(
        "schedule_run",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("after", sa.Uuid(), nullable=True),
        sa.CheckConstraint("length(schedule) BETWEEN 1 AND 64", name=op.f("schedule_run_schedule_length_check")),
        sa.PrimaryKeyConstraint("program_id", "schedule", name=op.f("schedule_run_pkey")),
    )
    op.execute(_BOUGHT)


_BOUGHT = """
UPDATE member m SET bought_at = bought.latest FROM (
    SELECT program_id, member_id, max(occurred_at) AS latest
    FROM event WHERE kind = 'purchase' GROUP BY program_id, member_id
) bought WHERE bought.program_id = m.program_id AND bought.member_id = m.member_id
"""


def downgrade() -> None:
    op.drop_table("schedule_run")
    op.drop_column("profile", "birthday_changed_at")
    op.drop_column("member", "bought_at")
    op.drop_index("event_milestone_idx", table_name="event")
