"""Tags on members, each from an instant on, perhaps until one, set by hand (0) or by an event."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "member_tag",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("sequence >= 0", name=op.f("member_tag_sequence_check")),
        sa.CheckConstraint("length(tag) BETWEEN 1 AND 32", name=op.f("member_tag_tag_length_check")),
        sa.PrimaryKeyConstraint("program_id", "member_id", "tag", "sequence", name=op.f("member_tag_pkey")),
        postgresql_with={"fillfactor": "70"},
    )


def downgrade() -> None:
    op.drop_table("member_tag")
