"""The feed: messages in one order, and what waits for its place in it; replays; and who may see a message.

What was committed before has no place in the feed: it begins with this version.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("message", sa.Column("audience", sa.Text(), nullable=True))
    op.create_table(
        "unsequenced",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("written_at", _INSTANT, nullable=False),
        sa.Column("first_id", sa.Uuid(), nullable=False),
        sa.Column("messages", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "written_at", "first_id", name=op.f("unsequenced_pkey")),
    )
    op.create_table(
        "feed",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("sequenced_at", _INSTANT, nullable=False),
        sa.CheckConstraint("position >= 1", name=op.f("feed_position_check")),
        sa.PrimaryKeyConstraint("program_id", "position", name=op.f("feed_pkey")),
    )
    op.create_table(
        "feed_head",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("sequenced_at", _INSTANT, nullable=False),
        sa.CheckConstraint("0 <= removed AND removed <= position", name=op.f("feed_head_positions_check")),
        sa.PrimaryKeyConstraint("program_id", name=op.f("feed_head_pkey")),
    )
    op.create_table(
        "replay",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("replay_id", sa.Uuid(), nullable=False),
        sa.Column("which", sa.Text(), nullable=False),
        sa.Column("since", _INSTANT, nullable=False),
        sa.Column("until", _INSTANT, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("queued", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("finished_at", _INSTANT, nullable=True),
        sa.CheckConstraint("which IN ('failed', 'missing', 'all')", name=op.f("replay_which_check")),
        sa.CheckConstraint("state IN ('running', 'done', 'ended')", name=op.f("replay_state_check")),
        sa.CheckConstraint("(state = 'running') = (finished_at IS NULL)", name=op.f("replay_finished_check")),
        sa.CheckConstraint(
            "0 <= first AND first <= position AND position <= last AND queued >= 0",
            name=op.f("replay_positions_check"),
        ),
        sa.PrimaryKeyConstraint("program_id", "endpoint_id", "replay_id", name=op.f("replay_pkey")),
    )
    op.create_index(
        "replay_running_idx", "replay", ["program_id", "replay_id"], postgresql_where=sa.text("state = 'running'")
    )
    op.create_index("attempt_started_idx", "attempt", ["started_at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("attempt_started_idx", table_name="attempt", postgresql_using="brin")
    op.drop_table("replay")
    op.drop_table("feed_head")
    op.drop_table("feed")
    op.drop_table("unsequenced")
    op.drop_column("message", "audience")
