"""Who members are and how they stand: identities, tags, tiers, what they have used, what falls due."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    text,
)

from app.db.tables.base import HOT, amount, id_column, instant, length, metadata, text_column, within

member = Table(
    "member",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    amount("sequence"),
    amount("messages"),
    Column("head", LargeBinary, nullable=False),
    instant("recorded_at"),
    instant("judged_at"),
    instant("quiet_before", nullable=True),
    instant("enrolled_at"),
    text_column("referral_code"),
    id_column("referrer_id", nullable=True),
    text_column("referral"),
    instant("referral_lapses_at", nullable=True),
    Column("referral_purchase", BigInteger, nullable=True),
    Column("referral_rounds", Integer, nullable=True),
    instant("referral_claimed_at", nullable=True),
    text_column("referral_review", nullable=True),
    instant("referral_due_at", nullable=True),
    Column("referral_version", Integer, nullable=True),
    Column("parked", Integer, nullable=True),
    instant("tiers_due_at", nullable=True),
    Column("purchases", BigInteger, nullable=True),
    instant("bought_at", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id"),
    CheckConstraint("sequence >= 1", name="sequence"),
    CheckConstraint("messages >= 0", name="messages"),
    CheckConstraint("octet_length(head) = 32", name="head"),
    CheckConstraint("referrer_id <> member_id", name="own_referrer"),
    Index("member_tiers_due_idx", "program_id", "tiers_due_at", postgresql_where=text("tiers_due_at IS NOT NULL")),
    Index(
        "member_referrer_idx",
        "program_id",
        "referrer_id",
        "referral_claimed_at",
        "member_id",
        postgresql_where=text("referrer_id IS NOT NULL"),
    ),
    Index(
        "member_referral_idx", "program_id", "referral", "member_id", postgresql_where=text("referrer_id IS NOT NULL")
    ),
    Index(
        "member_review_idx",
        "program_id",
        "member_id",
        postgresql_where=text("referral_review IS NOT NULL AND referral_review <> 'approved'"),
    ),
    **HOT,
)


member_identity = Table(
    "member_identity",
    metadata,
    id_column("program_id"),
    Column("digest", LargeBinary, nullable=False),
    text_column("kind"),
    id_column("member_id"),
    text_column("value"),
    PrimaryKeyConstraint("program_id", "digest"),
    Index("member_identity_member_idx", "program_id", "member_id"),
    length("value", 320),
)


fingerprint = Table(
    "fingerprint",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("program_id", "member_id", "digest"),
    CheckConstraint("octet_length(digest) = 16", name="digest"),
)


profile = Table(
    "profile",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    Column("birthday", Date, nullable=True),
    instant("birthday_changed_at", nullable=True),
    Column("attributes", JSON, nullable=True),
    PrimaryKeyConstraint("program_id", "member_id"),
)


member_tag = Table(
    "member_tag",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    text_column("tag"),
    amount("sequence"),
    instant("since"),
    instant("until", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "tag", "sequence"),
    CheckConstraint("sequence >= 0", name="sequence"),
    length("tag", 32),
    **HOT,
)


tier_term = Table(
    "tier_term",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    text_column("ladder"),
    amount("sequence"),
    text_column("tier"),
    instant("since"),
    instant("began_at", nullable=True),
    text_column("earned", nullable=True),
    text_column("confirmed", nullable=True),
    instant("review_at", nullable=True),
    instant("falls_at", nullable=True),
    text_column("falls_to", nullable=True),
    instant("notice_at", nullable=True),
    text_column("missed", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "ladder", "sequence"),
    CheckConstraint("(falls_at IS NULL) = (falls_to IS NULL)", name="falls"),
)


tier_floor = Table(
    "tier_floor",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    text_column("ladder"),
    amount("sequence"),
    text_column("rule"),
    text_column("tier"),
    instant("given_at"),
    instant("ends_at", nullable=True),
    Column("months", Integer, nullable=True),
    Column("days", Integer, nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "ladder", "sequence", "rule"),
    CheckConstraint("(months IS NULL) = (days IS NULL)", name="lasts"),
    length("ladder", 32),
    length("tier", 32),
    length("rule", 128, least=0),
)


usage = Table(
    "usage",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    text_column("counter"),
    instant("since"),
    instant("until", nullable=True),
    amount("points"),
    amount("times"),
    PrimaryKeyConstraint("program_id", "member_id", "counter", "since"),
    within("points", "times"),
    length("counter", 128),
    **HOT,
)


shared_usage = Table(
    "shared_usage",
    metadata,
    id_column("program_id"),
    text_column("counter"),
    instant("since"),
    instant("until", nullable=True),
    amount("points"),
    amount("times"),
    PrimaryKeyConstraint("program_id", "counter", "since"),
    within("points", "times"),
    length("counter", 128),
    **HOT,
)


schedule = Table(
    "schedule",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    text_column("key"),
    instant("due_at"),
    text_column("kind"),
    Column("facts", LargeBinary, nullable=False),
    Column("rules_version", Integer, nullable=False),
    id_column("cause"),
    PrimaryKeyConstraint("program_id", "member_id", "key"),
    Index("schedule_due_idx", "program_id", "due_at"),
    length("key", 128),
)


schedule_run = Table(
    "schedule_run",
    metadata,
    id_column("program_id"),
    text_column("schedule"),
    Column("day", Date, nullable=False),
    id_column("after", nullable=True),
    PrimaryKeyConstraint("program_id", "schedule"),
    length("schedule", 64),
)
