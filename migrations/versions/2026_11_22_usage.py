"""What members have used of counts and limits, and how many of their purchases stand."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.domain import returns

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("member", sa.Column("purchases", sa.BigInteger(), nullable=True))
    op.create_table(
        "usage",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "points BETWEEN -9007199254740991 AND 9007199254740991 "
            "AND times BETWEEN -9007199254740991 AND 9007199254740991",
            name=op.f("usage_range_check"),
        ),
        sa.CheckConstraint("length(counter) BETWEEN 1 AND 128", name=op.f("usage_counter_length_check")),
        sa.PrimaryKeyConstraint("program_id", "member_id", "counter", "since", name=op.f("usage_pkey")),
        postgresql_with={"fillfactor": "70"},
    )
    _count()


def downgrade() -> None:
    op.drop_table("usage")
    op.drop_column("member", "purchases")


_COUNT = """
UPDATE member m SET purchases = bought.times FROM (
    SELECT program_id, member_id, count(*) AS times FROM event WHERE kind = 'purchase' GROUP BY program_id, member_id
) bought WHERE bought.program_id = m.program_id AND bought.member_id = m.member_id
"""
_CHANGED = """
SELECT p.program_id, p.member_id, p.event_id, p.content, f.kind, f.content AS following, f.explanation
FROM event f JOIN event p ON p.program_id = f.program_id AND p.event_id = f.about
WHERE p.kind = 'purchase' AND f.kind IN ('return', 'cancellation', 'purchase_change')
ORDER BY p.program_id, p.event_id, f.sequence
"""
_LESS = "UPDATE member SET purchases = purchases - 1 WHERE program_id = :program_id AND member_id = :member_id"


def _count() -> None:
    """Purchases that stand: all of them, less those whose goods are all back by now (semantics A11)."""
    connection = op.get_bind()
    connection.execute(sa.text(_COUNT))
    changed: dict[Any, tuple[Any, list[Any]]] = {}
    for row in connection.execute(sa.text(_CHANGED)):
        flags = tuple(row.explanation.get("flags", ()))
        follower = SimpleNamespace(kind=row.kind, content=row.following, flags=flags)
        changed.setdefault((row.program_id, row.event_id), (row, []))[1].append(follower)
    for row, followers in changed.values():
        purchase: Any = SimpleNamespace(content=row.content)
        if not returns.stands(returns.standing(purchase, followers)):
            connection.execute(sa.text(_LESS), {"program_id": row.program_id, "member_id": row.member_id})
