"""The ledger: events with their entries and draws, accounts, lots, blocks; and what lies outside the chain."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
    text,
)

from app.db.tables.base import HOT, amount, id_column, instant, length, metadata, text_column, within

MOVING = "available_at IS NULL AND expires_at IS NOT NULL"
"""Of an entry: it put points back into lots that had ended, and says until when they live on (semantics L8)."""


account = Table(
    "account",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    text_column("unit"),
    amount("balance"),
    amount("active"),
    amount("pending"),
    amount("held"),
    amount("deficit"),
    instant("active_until", nullable=True),
    instant("next_due_at", nullable=True),
    amount("earned"),
    amount("redeemed"),
    amount("expired"),
    amount("reversed"),
    instant("notice_at", nullable=True),
    instant("told_until", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "unit"),
    within("balance", "active", "pending", "earned", "redeemed", "expired", "reversed"),
    CheckConstraint("active >= 0 AND pending >= 0 AND held >= 0 AND deficit >= 0", name="not_negative"),
    CheckConstraint("balance = active + pending - deficit", name="sum"),
    Index("account_notice_idx", "program_id", "notice_at", postgresql_where=text("notice_at IS NOT NULL")),
    Index("account_active_until_idx", "program_id", "active_until", postgresql_where=text("active_until IS NOT NULL")),
    **HOT,
)


event = Table(
    "event",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    amount("sequence"),
    id_column("event_id"),
    text_column("source"),
    text_column("kind"),
    text_column("key"),
    instant("occurred_at"),
    instant("effective_at"),
    instant("recorded_at"),
    Column("rules_version", Integer, nullable=False),
    Column("engine", SmallInteger, nullable=False),
    Column("lane", Integer, nullable=False),
    Column("leaf", Integer, nullable=False),
    amount("block"),
    Column("digest", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("explanation", JSON, nullable=False),
    Column("accounts", JSON, nullable=False),
    id_column("about", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "sequence"),
    UniqueConstraint("program_id", "source", "kind", "key"),
    UniqueConstraint("program_id", "event_id"),
    CheckConstraint("sequence >= 1", name="sequence"),
    CheckConstraint("octet_length(hash) = 32", name="hash"),
    CheckConstraint("octet_length(digest) = 16", name="digest"),
    length("source", 64),
    length("kind", 32),
    length("key", 128),
    Index("event_about_idx", "program_id", "about", postgresql_where=text("about IS NOT NULL")),
    Index("event_recorded_idx", "recorded_at", postgresql_using="brin"),
    Index(
        "event_milestone_idx",
        "program_id",
        "member_id",
        "sequence",
        postgresql_where=text("kind IN ('milestone', 'milestone_reversal')"),
    ),
)


particulars = Table(
    "particulars",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    amount("sequence"),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("program_id", "member_id", "sequence"),
)


entry = Table(
    "entry",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    amount("sequence"),
    Column("position", SmallInteger, nullable=False),
    text_column("unit"),
    amount("points"),
    amount("balance_after"),
    instant("available_at", nullable=True),
    instant("expires_at", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "sequence", "position"),
    within("points", "balance_after"),
    CheckConstraint("points > 0 OR (available_at IS NULL AND expires_at IS NULL)", name="lot_is_credit"),
    Index("entry_moving_idx", "program_id", "member_id", postgresql_where=text(MOVING)),
)


draw = Table(
    "draw",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    amount("sequence"),
    Column("position", SmallInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    amount("lot_sequence"),
    Column("lot_position", SmallInteger, nullable=False),
    amount("points"),
    PrimaryKeyConstraint("program_id", "member_id", "sequence", "position", "ordinal"),
    within("points"),
    CheckConstraint("points <> 0", name="points"),
)


open_lot = Table(
    "open_lot",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    amount("sequence"),
    Column("position", SmallInteger, nullable=False),
    text_column("unit"),
    amount("credited"),
    amount("remaining"),
    amount("reserved"),
    instant("occurred_at"),
    instant("available_at"),
    instant("expires_at", nullable=True),
    Column("waiting", Boolean, nullable=False),
    PrimaryKeyConstraint("program_id", "member_id", "sequence", "position"),
    within("credited"),
    CheckConstraint("0 <= reserved AND reserved <= remaining AND remaining <= credited", name="bounds"),
    Index("open_lot_expires_idx", "program_id", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    Index("open_lot_available_idx", "program_id", "available_at", postgresql_where=text("waiting")),
    **HOT,
)


reservation = Table(
    "reservation",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    amount("hold"),
    amount("lot_sequence"),
    Column("lot_position", SmallInteger, nullable=False),
    id_column("hold_id"),
    amount("points"),
    instant("lapses_at"),
    PrimaryKeyConstraint("program_id", "member_id", "hold", "lot_sequence", "lot_position"),
    within("points"),
    CheckConstraint("points >= 1", name="points"),
    Index("reservation_lapses_idx", "program_id", "lapses_at"),
    **HOT,
)


parked = Table(
    "parked",
    metadata,
    id_column("program_id"),
    id_column("member_id"),
    text_column("source"),
    text_column("kind"),
    text_column("key"),
    id_column("event_id"),
    text_column("awaits_source"),
    text_column("awaits_kind"),
    text_column("awaits_key"),
    Column("digest", LargeBinary, nullable=False),
    instant("occurred_at"),
    instant("parked_at"),
    instant("lapses_at"),
    Column("facts", LargeBinary, nullable=False),
    Column("particulars", LargeBinary, nullable=False),
    text_column("mode"),
    PrimaryKeyConstraint("program_id", "source", "kind", "key"),
    Index("parked_awaits_idx", "program_id", "member_id"),
    Index("parked_lapses_idx", "program_id", "lapses_at"),
)


refused = Table(
    "refused",
    metadata,
    id_column("program_id"),
    text_column("source"),
    text_column("kind"),
    text_column("key"),
    id_column("refused_id"),
    id_column("member_id", nullable=True),
    Column("identity", LargeBinary, nullable=True),
    text_column("enrols_kind", nullable=True),
    text_column("enrols_value", nullable=True),
    instant("occurred_at"),
    Column("time_said", Boolean, nullable=True),
    instant("not_after", nullable=True),
    instant("refused_at"),
    text_column("code"),
    Column("details", JSON, nullable=False),
    Column("facts", LargeBinary, nullable=False),
    Column("particulars", LargeBinary, nullable=False),
    text_column("mode"),
    PrimaryKeyConstraint("program_id", "source", "kind", "key"),
    UniqueConstraint("program_id", "refused_id"),
    Index("refused_at_idx", "program_id", "refused_at"),
)


lane = Table(
    "lane",
    metadata,
    id_column("program_id"),
    Column("lane", Integer, nullable=False),
    id_column("owner"),
    instant("leased_until"),
    PrimaryKeyConstraint("program_id", "lane"),
)


block = Table(
    "block",
    metadata,
    id_column("program_id"),
    Column("lane", Integer, nullable=False),
    amount("number"),
    Column("previous", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("events", Integer, nullable=False),
    Column("sums", JSON, nullable=False),
    instant("recorded_at"),
    PrimaryKeyConstraint("program_id", "lane", "number"),
    CheckConstraint("octet_length(root) = 32 AND octet_length(hash) = 32", name="hash"),
    CheckConstraint("events >= 1 AND number >= 1", name="numbers"),
)
