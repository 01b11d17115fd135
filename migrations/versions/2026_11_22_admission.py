"""What was turned away is kept with all that tells its replay, and with whom it would have enrolled."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("refused", sa.Column("enrols_kind", sa.Text(), nullable=True))
    op.add_column("refused", sa.Column("enrols_value", sa.Text(), nullable=True))
    op.add_column("refused", sa.Column("time_said", sa.Boolean(), nullable=True))
    op.add_column("refused", sa.Column("not_after", sa.TIMESTAMP(timezone=True), nullable=True))


def downgrade() -> None:
    for column in ("not_after", "time_said", "enrols_value", "enrols_kind"):
        op.drop_column("refused", column)
