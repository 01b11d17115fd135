"""What shops are told: endpoints, messages, deliveries, the feed."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.db.tables.base import HOT, Id, amount, id_column, instant, length, metadata, text_column

endpoint = Table(
    "endpoint",
    metadata,
    id_column("program_id"),
    id_column("endpoint_id"),
    text_column("source", nullable=True),
    text_column("url"),
    text_column("description"),
    Column("types", ARRAY(Text), nullable=True),
    Column("secret", LargeBinary, nullable=False),
    text_column("state"),
    instant("created_at"),
    instant("deleted_at", nullable=True),
    instant("disabled_at", nullable=True),
    text_column("disabled_reason", nullable=True),
    instant("paused_at", nullable=True),
    # What is set: nothing stands for revision 1, no order, `skip`, the usual number in flight, and no limit of rate.
    Column("revision", Integer, nullable=True),
    text_column("ordering", nullable=True),
    text_column("exhausted", nullable=True),
    Column("in_flight", SmallInteger, nullable=True),
    Column("per_second", SmallInteger, nullable=True),
    instant("old_secrets_until", nullable=True),
    # What the worker notes: how it has fared lately, and what it still has to do.
    instant("rate_at", nullable=True),
    Column("failures", Integer, nullable=True),
    Column("trips", SmallInteger, nullable=True),
    instant("open_until", nullable=True),
    instant("failing_since", nullable=True),
    Column("releasing", Boolean, nullable=True),
    PrimaryKeyConstraint("program_id", "endpoint_id"),
    CheckConstraint("state IN ('enabled', 'paused', 'disabled', 'deleted')", name="state"),
    CheckConstraint("ordering IN ('none', 'member', 'strict')", name="ordering"),
    CheckConstraint("exhausted IN ('skip', 'hold')", name="exhausted"),
    CheckConstraint("in_flight BETWEEN 1 AND 256", name="in_flight"),
    CheckConstraint("per_second BETWEEN 1 AND 1000", name="per_second"),
    length("url", 2048),
)


message = Table(
    "message",
    metadata,
    id_column("program_id"),
    id_column("message_id"),
    id_column("member_id", nullable=True),
    Column("sequence", BigInteger, nullable=True),
    Column("number", BigInteger, nullable=True),
    text_column("type"),
    Column("body", LargeBinary, nullable=False),
    instant("created_at"),
    text_column("audience", nullable=True),
    PrimaryKeyConstraint("program_id", "message_id"),
    CheckConstraint("octet_length(body) <= 262144", name="body_length"),
    Index("message_created_idx", "created_at", postgresql_using="brin"),
)


# A row for each piece of a batch, added with its messages and gone when they have their positions in the feed.
unsequenced = Table(
    "unsequenced",
    metadata,
    id_column("program_id"),
    instant("written_at"),
    id_column("first_id"),
    Column("messages", ARRAY(Id), nullable=False),
    PrimaryKeyConstraint("program_id", "written_at", "first_id"),
)


feed = Table(
    "feed",
    metadata,
    id_column("program_id"),
    amount("position"),
    id_column("message_id"),
    instant("sequenced_at"),
    PrimaryKeyConstraint("program_id", "position"),
    CheckConstraint("position >= 1", name="position"),
)


feed_head = Table(
    "feed_head",
    metadata,
    id_column("program_id"),
    amount("position"),
    amount("removed"),
    instant("sequenced_at"),
    PrimaryKeyConstraint("program_id"),
    CheckConstraint("0 <= removed AND removed <= position", name="positions"),
)


pending_delivery = Table(
    "pending_delivery",
    metadata,
    id_column("program_id"),
    id_column("endpoint_id"),
    id_column("message_id"),
    instant("due_at"),
    Column("lease", Id, nullable=True),
    id_column("ordering_key", nullable=True),
    Column("attempts", SmallInteger, nullable=False),
    # The place among those of the same key: by time where the key is the endpoint, by number where it is a member.
    instant("queued_at", nullable=True),
    Column("number", BigInteger, nullable=True),
    PrimaryKeyConstraint("program_id", "endpoint_id", "message_id"),
    # By endpoint, so that no claim walks the backlog of another; partial, so that only the claim uses it.
    Index("pending_delivery_due_idx", "program_id", "endpoint_id", "due_at", postgresql_where=text("attempts >= 0")),
    Index(
        "pending_delivery_order_idx",
        *("program_id", "endpoint_id", "ordering_key", "queued_at", "number", "message_id"),
        postgresql_where=text("ordering_key IS NOT NULL"),
    ),
    Index(
        "pending_delivery_leased_idx",
        *("program_id", "endpoint_id", "due_at"),
        postgresql_where=text("lease IS NOT NULL"),
    ),
    **HOT,
)


delivery = Table(
    "delivery",
    metadata,
    id_column("program_id"),
    id_column("endpoint_id"),
    id_column("message_id"),
    text_column("state"),
    Column("attempts", SmallInteger, nullable=False),
    instant("finished_at"),
    PrimaryKeyConstraint("program_id", "endpoint_id", "message_id"),
    CheckConstraint("state IN ('delivered', 'exhausted', 'abandoned', 'aborted')", name="state"),
    Index("delivery_finished_idx", "finished_at", postgresql_using="brin"),
)


attempt = Table(
    "attempt",
    metadata,
    id_column("program_id"),
    id_column("endpoint_id"),
    id_column("message_id"),
    id_column("attempt_id"),
    Column("number", SmallInteger, nullable=False),
    instant("started_at"),
    Column("duration_ms", Integer, nullable=False),
    Column("status", SmallInteger, nullable=True),
    text_column("outcome"),
    text_column("error", nullable=True),
    Column("answer", LargeBinary, nullable=False),
    PrimaryKeyConstraint("program_id", "endpoint_id", "message_id", "attempt_id"),
    CheckConstraint("octet_length(answer) <= 4096", name="answer_length"),
    Index("attempt_started_idx", "started_at", postgresql_using="brin"),
)


replay = Table(
    "replay",
    metadata,
    id_column("program_id"),
    id_column("endpoint_id"),
    id_column("replay_id"),
    text_column("which"),
    instant("since"),
    instant("until"),
    amount("first"),
    amount("last"),
    amount("position"),
    amount("queued"),
    text_column("state"),
    text_column("requested_by"),
    instant("created_at"),
    instant("finished_at", nullable=True),
    PrimaryKeyConstraint("program_id", "endpoint_id", "replay_id"),
    CheckConstraint("which IN ('failed', 'missing', 'all')", name="which"),
    CheckConstraint("state IN ('running', 'done', 'ended')", name="state"),
    CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished"),
    CheckConstraint("0 <= first AND first <= position AND position <= last AND queued >= 0", name="positions"),
    Index("replay_running_idx", "program_id", "replay_id", postgresql_where=text("state = 'running'")),
)


retention = Table(
    "retention",
    metadata,
    id_column("program_id"),
    instant("messages_from"),
    PrimaryKeyConstraint("program_id"),
)
