"""Returns: which event another is about, and the purchase that qualified a referral."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("event", sa.Column("about", sa.Uuid(), nullable=True))
    op.create_index("event_about_idx", "event", ["program_id", "about"], postgresql_where=sa.text("about IS NOT NULL"))
    op.add_column("member", sa.Column("referral_purchase", sa.BigInteger(), nullable=True))
    op.add_column("member", sa.Column("referral_rounds", sa.Integer(), nullable=True))
    op.execute("UPDATE member SET referral_rounds = 1 WHERE referral IN ('qualified', 'rewarded')")


def downgrade() -> None:
    op.drop_column("member", "referral_rounds")
    op.drop_column("member", "referral_purchase")
    op.drop_index("event_about_idx", table_name="event", postgresql_where=sa.text("about IS NOT NULL"))
    op.drop_column("event", "about")
