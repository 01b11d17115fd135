"""Tiers that are looked at again: when, what the last review left, and tiers that were given."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)
_OF_TERM: dict[str, Any] = {
    "began_at": _INSTANT,
    "earned": sa.Text(),
    "confirmed": sa.Text(),
    "review_at": _INSTANT,
    "falls_at": _INSTANT,
    "falls_to": sa.Text(),
    "notice_at": _INSTANT,
    "missed": sa.Text(),
}


def upgrade() -> None:
    op.add_column("member", sa.Column("tiers_due_at", _INSTANT, nullable=True))
    op.create_index(
        "member_tiers_due_idx",
        "member",
        ["program_id", "tiers_due_at"],
        postgresql_where=sa.text("tiers_due_at IS NOT NULL"),
    )
    for name, type_ in _OF_TERM.items():
        op.add_column("tier_term", sa.Column(name, type_, nullable=True))
    op.create_check_constraint(op.f("tier_term_falls_check"), "tier_term", "(falls_at IS NULL) = (falls_to IS NULL)")
    op.create_table(
        "tier_floor",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("ladder", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("given_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=True),
        sa.Column("months", sa.Integer(), nullable=True),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.CheckConstraint("(months IS NULL) = (days IS NULL)", name=op.f("tier_floor_lasts_check")),
        sa.CheckConstraint("length(ladder) BETWEEN 1 AND 32", name=op.f("tier_floor_ladder_length_check")),
        sa.CheckConstraint("length(tier) BETWEEN 1 AND 32", name=op.f("tier_floor_tier_length_check")),
        sa.CheckConstraint("length(rule) BETWEEN 0 AND 128", name=op.f("tier_floor_rule_length_check")),
        sa.PrimaryKeyConstraint("program_id", "member_id", "ladder", "sequence", "rule", name=op.f("tier_floor_pkey")),
    )


def downgrade() -> None:
    op.drop_table("tier_floor")
    op.drop_constraint(op.f("tier_term_falls_check"), "tier_term")
    for name in reversed(_OF_TERM):
        op.drop_column("tier_term", name)
    op.drop_index("member_tiers_due_idx", table_name="member")
    op.drop_column("member", "tiers_due_at")
