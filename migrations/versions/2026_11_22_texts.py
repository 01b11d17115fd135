"""A version keeps the text that it was published as. What was published before has none: it is written out when read."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("rules", sa.Column("text", sa.LargeBinary(), nullable=True))
    op.create_check_constraint(op.f("rules_text_length_check"), "rules", "octet_length(text) <= 262144")


def downgrade() -> None:
    op.drop_constraint(op.f("rules_text_length_check"), "rules")
    op.drop_column("rules", "text")
