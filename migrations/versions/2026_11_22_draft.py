"""The draft of a program's next rules: one a program, as it was written, numbered anew with each change."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "draft",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.CheckConstraint("revision >= 1", name=op.f("draft_revision_check")),
        sa.CheckConstraint("octet_length(text) <= 262144", name=op.f("draft_text_length_check")),
        sa.CheckConstraint("length(changed_by) BETWEEN 1 AND 200", name=op.f("draft_changed_by_length_check")),
        sa.ForeignKeyConstraint(["program_id"], ["program.program_id"], name=op.f("draft_program_id_fkey")),
        sa.PrimaryKeyConstraint("program_id", name=op.f("draft_pkey")),
    )


def downgrade() -> None:
    op.drop_table("draft")
