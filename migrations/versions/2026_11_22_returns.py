"""Returns: which event another is about, and the purchase that qualified a referral."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


_QUALIFIED = """
    UPDATE member m SET referral_rounds = 1, referral_purchase = p.sequence
    FROM (
        SELECT program_id, substring(encode(content, 'escape') from '"cause":"([0-9a-f]{32})"')::uuid AS cause
        FROM event WHERE kind = 'referral_bonus'
        UNION ALL
        SELECT program_id, cause FROM schedule WHERE kind = 'referral_bonus'
    ) b
    JOIN event p ON p.program_id = b.program_id AND p.event_id = b.cause
    WHERE m.program_id = b.program_id AND m.member_id = p.member_id
"""
"""The purchase a bonus is for: named in the context of the bonus that was paid, or in the command that waits."""


def upgrade() -> None:
    op.add_column("event", sa.Column("about", sa.Uuid(), nullable=True))
    op.create_index("event_about_idx", "event", ["program_id", "about"], postgresql_where=sa.text("about IS NOT NULL"))
    op.add_column("member", sa.Column("referral_purchase", sa.BigInteger(), nullable=True))
    op.add_column("member", sa.Column("referral_rounds", sa.Integer(), nullable=True))
    op.execute(_QUALIFIED)
    op.execute("UPDATE member SET referral = 'rewarded' WHERE referral = 'qualified' AND referral_rounds IS NULL")


def downgrade() -> None:
    op.drop_column("member", "referral_rounds")
    op.drop_column("member", "referral_purchase")
    op.drop_index("event_about_idx", table_name="event", postgresql_where=sa.text("about IS NOT NULL"))
    op.drop_column("event", "about")
