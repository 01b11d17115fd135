"""Referrals step by step: when they were claimed, why somebody has to look at them, and what says who is who.

A referral from before was claimed when its member joined.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)
_BROUGHT = sa.text("referrer_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("member", sa.Column("referral_claimed_at", _INSTANT, nullable=True))
    op.add_column("member", sa.Column("referral_review", sa.Text(), nullable=True))
    op.add_column("member", sa.Column("referral_due_at", _INSTANT, nullable=True))
    op.add_column("member", sa.Column("referral_version", sa.Integer(), nullable=True))
    op.get_bind().exec_driver_sql(_COUNT)
    op.execute("UPDATE member SET referral_claimed_at = enrolled_at WHERE referrer_id IS NOT NULL")
    op.drop_index("member_referrer_idx", "member")
    op.create_index(
        "member_referrer_idx",
        "member",
        ["program_id", "referrer_id", "referral_claimed_at", "member_id"],
        postgresql_where=_BROUGHT,
    )
    op.create_index("member_referral_idx", "member", ["program_id", "referral", "member_id"], postgresql_where=_BROUGHT)
    op.create_index(
        "member_review_idx",
        "member",
        ["program_id", "member_id"],
        postgresql_where=sa.text("referral_review IS NOT NULL AND referral_review <> 'approved'"),
    )
    op.create_table(
        "fingerprint",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(digest) = 16", name=op.f("fingerprint_digest_check")),
        sa.PrimaryKeyConstraint("program_id", "member_id", "digest", name=op.f("fingerprint_pkey")),
    )


_COUNT = """
INSERT INTO usage (program_id, member_id, counter, since, until, points, times)
SELECT b.program_id, b.member_id, 'referrals', '1970-01-01T00:00:00Z', NULL, 0, count(*) FROM event b
WHERE b.kind = 'referral_bonus' AND b.engine >= 2 AND starts_with(b.key, 'ref:') AND strpos(b.key, ':referrer:') > 0
    AND strpos(b.explanation::text, '"capped"') = 0
    AND NOT EXISTS (
        SELECT FROM event r WHERE r.program_id = b.program_id AND r.source = b.source
        AND r.kind = 'referral_reversal' AND r.key = 'rrv' || substr(b.key, 4)
    )
GROUP BY b.program_id, b.member_id ON CONFLICT DO NOTHING
"""
"""Friends are counted from engine 2 on; there are such events only where this has been taken back before."""


def downgrade() -> None:
    op.drop_table("fingerprint")
    op.drop_index("member_review_idx", "member")
    op.drop_index("member_referral_idx", "member")
    op.drop_index("member_referrer_idx", "member")
    op.create_index("member_referrer_idx", "member", ["program_id", "referrer_id"], postgresql_where=_BROUGHT)
    op.drop_column("member", "referral_version")
    op.drop_column("member", "referral_due_at")
    op.drop_column("member", "referral_review")
    op.drop_column("member", "referral_claimed_at")
