"""What is set up: programs, keys, rules, shops; and what persons asked for."""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.db.tables.base import amount, id_column, instant, length, metadata, text_column, within

program = Table(
    "program",
    metadata,
    id_column("program_id"),
    text_column("code"),
    text_column("name"),
    instant("created_at"),
    PrimaryKeyConstraint("program_id"),
    UniqueConstraint("code"),
    length("code", 32),
    length("name", 200),
)


api_key = Table(
    "api_key",
    metadata,
    id_column("key_id"),
    id_column("program_id", nullable=True),
    text_column("source", nullable=True),
    text_column("label"),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    instant("created_at"),
    instant("expires_at", nullable=True),
    instant("revoked_at", nullable=True),
    text_column("owner", nullable=True),
    PrimaryKeyConstraint("key_id"),
    length("label", 200, least=0),
    length("owner", 200),
)


rules = Table(
    "rules",
    metadata,
    id_column("program_id"),
    Column("version", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    instant("in_force_from"),
    instant("published_at"),
    text_column("published_by"),
    Column("text", LargeBinary, nullable=True),
    PrimaryKeyConstraint("program_id", "version"),
    ForeignKeyConstraint(["program_id"], ["program.program_id"]),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("octet_length(text) <= 262144", name="text_length"),
)


draft = Table(
    "draft",
    metadata,
    id_column("program_id"),
    Column("revision", Integer, nullable=False),
    Column("text", LargeBinary, nullable=False),
    instant("changed_at"),
    text_column("changed_by"),
    PrimaryKeyConstraint("program_id"),
    ForeignKeyConstraint(["program_id"], ["program.program_id"]),
    CheckConstraint("revision >= 1", name="revision"),
    CheckConstraint("octet_length(text) <= 262144", name="text_length"),
    length("changed_by", 200),
)


shop = Table(
    "shop",
    metadata,
    id_column("program_id"),
    id_column("shop_id"),
    text_column("source"),
    text_column("name"),
    instant("created_at"),
    PrimaryKeyConstraint("program_id", "shop_id"),
    UniqueConstraint("program_id", "source"),
    ForeignKeyConstraint(["program_id"], ["program.program_id"]),
    length("source", 64),
    CheckConstraint("source NOT IN ('zegel', 'ops')", name="source_reserved"),
)


adjustment = Table(
    "adjustment",
    metadata,
    id_column("program_id"),
    id_column("adjustment_id"),
    text_column("key"),
    id_column("member_id"),
    text_column("unit"),
    amount("points"),
    Column("facts", LargeBinary, nullable=False),
    Column("particulars", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    text_column("requested_by"),
    instant("requested_at"),
    text_column("state"),
    instant("lapses_at", nullable=True),
    text_column("decided_by", nullable=True),
    instant("decided_at", nullable=True),
    id_column("event_id", nullable=True),
    PrimaryKeyConstraint("program_id", "adjustment_id"),
    UniqueConstraint("program_id", "key"),
    within("points"),
    CheckConstraint("points <> 0", name="points"),
    CheckConstraint("state IN ('waiting', 'approved', 'rejected')", name="state"),
    CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
    CheckConstraint("state <> 'waiting' OR lapses_at IS NOT NULL", name="lapses"),
    CheckConstraint("decided_by <> requested_by", name="second_person"),
    CheckConstraint("event_id IS NULL OR state = 'approved'", name="recorded"),
    CheckConstraint("octet_length(facts) <= 4096", name="facts_length"),
    CheckConstraint("octet_length(particulars) <= 8192", name="particulars_length"),
    CheckConstraint("octet_length(digest) = 16", name="digest"),
    length("key", 128),
    length("unit", 32),
    length("requested_by", 200),
    length("decided_by", 200),
    Index("adjustment_day_idx", "program_id", "requested_by", "requested_at"),
    Index("adjustment_state_idx", "program_id", "state", "adjustment_id"),
)


audit = Table(
    "audit",
    metadata,
    id_column("program_id"),
    id_column("audit_id"),
    instant("at"),
    text_column("actor"),
    text_column("action"),
    text_column("subject"),
    Column("details", JSON, nullable=False),
    PrimaryKeyConstraint("program_id", "audit_id"),
)


idempotency = Table(
    "idempotency",
    metadata,
    id_column("program_id"),
    id_column("key_id"),
    text_column("key"),
    Column("digest", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    text_column("location", nullable=True),
    Column("body", LargeBinary, nullable=False),
    instant("created_at"),
    PrimaryKeyConstraint("program_id", "key_id", "key"),
    length("key", 128),
)
