"""What all members of a program together have used of caps that count over the whole program."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "shared_usage",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "points BETWEEN -9007199254740991 AND 9007199254740991 "
            "AND times BETWEEN -9007199254740991 AND 9007199254740991",
            name=op.f("shared_usage_range_check"),
        ),
        sa.CheckConstraint("length(counter) BETWEEN 1 AND 128", name=op.f("shared_usage_counter_length_check")),
        sa.PrimaryKeyConstraint("program_id", "counter", "since", name=op.f("shared_usage_pkey")),
        postgresql_with={"fillfactor": "70"},
    )


def downgrade() -> None:
    op.drop_table("shared_usage")
