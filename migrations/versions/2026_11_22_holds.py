"""What holds keep of lots: a row for each open hold and lot, gone once it is captured or freed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "reservation",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("hold", sa.BigInteger(), nullable=False),
        sa.Column("lot_sequence", sa.BigInteger(), nullable=False),
        sa.Column("lot_position", sa.SmallInteger(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("lapses_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "points BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("reservation_range_check")
        ),
        sa.CheckConstraint("points >= 1", name=op.f("reservation_points_check")),
        sa.PrimaryKeyConstraint(
            "program_id", "member_id", "hold", "lot_sequence", "lot_position", name=op.f("reservation_pkey")
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("reservation_lapses_idx", "reservation", ["program_id", "lapses_at"])


def downgrade() -> None:
    op.drop_table("reservation")
