"""Points that wait: a lot says so until its activation is written down, so that those due are found by an index.

An entry of no points says by its draws that points which began to count paid what was owed.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("open_lot", sa.Column("waiting", sa.Boolean(), nullable=True))
    op.execute("UPDATE open_lot SET waiting = false")
    op.alter_column("open_lot", "waiting", nullable=False)
    op.drop_index("open_lot_available_idx", table_name="open_lot")
    op.create_index("open_lot_available_idx", "open_lot", ["program_id", "available_at"], postgresql_where="waiting")

    op.drop_constraint("entry_points_check", "entry")


def downgrade() -> None:
    op.create_check_constraint(op.f("entry_points_check"), "entry", "points <> 0")
    op.drop_index("open_lot_available_idx", table_name="open_lot")
    op.create_index(
        "open_lot_available_idx",
        "open_lot",
        ["program_id", "available_at"],
        postgresql_where=sa.text("available_at <> occurred_at"),
    )
    op.drop_column("open_lot", "waiting")
