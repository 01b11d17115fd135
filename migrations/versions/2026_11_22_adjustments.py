"""Adjustments: what persons ask for by hand, whose a key is, and `ops` as a source that no shop can be called by.

A key made before is its label's; one without a label stands for itself. Where a shop is called `ops` already, this stops
before it changes anything: rename the shop first.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.drop_constraint(op.f("shop_source_reserved_check"), "shop")
    op.create_check_constraint(op.f("shop_source_reserved_check"), "shop", "source NOT IN ('zegel', 'ops')")

    op.add_column("api_key", sa.Column("owner", sa.Text(), nullable=True))
    op.execute("UPDATE api_key SET owner = label WHERE label <> ''")
    op.create_check_constraint(op.f("api_key_owner_length_check"), "api_key", "length(owner) BETWEEN 1 AND 200")

    op.create_table(
        "adjustment",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("adjustment_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("particulars", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", _INSTANT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lapses_at", _INSTANT, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", _INSTANT, nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "points BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("adjustment_range_check")
        ),
        sa.CheckConstraint("points <> 0", name=op.f("adjustment_points_check")),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'rejected')", name=op.f("adjustment_state_check")),
        sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f("adjustment_decided_check")),
        sa.CheckConstraint("state <> 'waiting' OR lapses_at IS NOT NULL", name=op.f("adjustment_lapses_check")),
        sa.CheckConstraint("decided_by <> requested_by", name=op.f("adjustment_second_person_check")),
        sa.CheckConstraint("event_id IS NULL OR state = 'approved'", name=op.f("adjustment_recorded_check")),
        sa.CheckConstraint("octet_length(facts) <= 4096", name=op.f("adjustment_facts_length_check")),
        sa.CheckConstraint("octet_length(particulars) <= 8192", name=op.f("adjustment_particulars_length_check")),
        sa.CheckConstraint("octet_length(digest) = 16", name=op.f("adjustment_digest_check")),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 128", name=op.f("adjustment_key_length_check")),
        sa.CheckConstraint("length(unit) BETWEEN 1 AND 32", name=op.f("adjustment_unit_length_check")),
        sa.CheckConstraint("length(requested_by) BETWEEN 1 AND 200", name=op.f("adjustment_requested_by_length_check")),
        sa.CheckConstraint("length(decided_by) BETWEEN 1 AND 200", name=op.f("adjustment_decided_by_length_check")),
        sa.PrimaryKeyConstraint("program_id", "adjustment_id", name=op.f("adjustment_pkey")),
        sa.UniqueConstraint("program_id", "key", name=op.f("adjustment_program_id_key_key")),
    )
    op.create_index("adjustment_day_idx", "adjustment", ["program_id", "requested_by", "requested_at"])
    op.create_index("adjustment_state_idx", "adjustment", ["program_id", "state", "adjustment_id"])


def downgrade() -> None:
    op.drop_table("adjustment")
    op.drop_column("api_key", "owner")
    op.drop_constraint(op.f("shop_source_reserved_check"), "shop")
    op.create_check_constraint(op.f("shop_source_reserved_check"), "shop", "source <> 'zegel'")
