"""Events that wait for the one they name, counted in their member's row; and a list of those that were turned away."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("member", sa.Column("parked", sa.Integer(), nullable=True))
    op.add_column("parked", sa.Column("mode", sa.Text(), nullable=False))  # nothing has ever lain there
    op.create_table(
        "refused",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("refused_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("identity", sa.LargeBinary(), nullable=True),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("refused_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSON(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("particulars", sa.LargeBinary(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "source", "kind", "key", name=op.f("refused_pkey")),
        sa.UniqueConstraint("program_id", "refused_id", name=op.f("refused_program_id_refused_id_key")),
    )
    op.create_index("refused_at_idx", "refused", ["program_id", "refused_at"])


def downgrade() -> None:
    op.drop_table("refused")
    op.drop_column("parked", "mode")
    op.drop_column("member", "parked")
