"""The tables of Zegel, as migrations make them.

`program_id` leads every key outside the reference tables (program, api_key), and `member_id` comes second in a
member's tables, so that the schema can be spread over several machines as it stands. The service's role may only
INSERT and SELECT in the tables of `APPEND_ONLY`.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.engine import Dialect

from app.domain.points import LIMIT

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


class Id(TypeDecorator[bytes]):
    """A UUID that Python holds as its 16 bytes."""

    impl = Uuid
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> UUID | None:
        return None if value is None else UUID(bytes=value)

    def process_result_value(self, value: UUID | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.bytes


INSTANT = TIMESTAMP(timezone=True)
_HOT: dict[str, Any] = {"postgresql_with": {"fillfactor": "70"}}


def _id(name: str, *, nullable: bool = False) -> Column[bytes]:
    return Column(name, Id, nullable=nullable)


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, INSTANT, nullable=nullable)


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _within(*columns: str) -> CheckConstraint:
    return CheckConstraint(" AND ".join(f"{c} BETWEEN -{LIMIT} AND {LIMIT}" for c in columns), name="range")


def _length(column: str, most: int, *, least: int = 1) -> CheckConstraint:
    return CheckConstraint(f"length({column}) BETWEEN {least} AND {most}", name=f"{column}_length")


program = Table(
    "program",
    metadata,
    _id("program_id"),
    _text("code"),
    _text("name"),
    _instant("created_at"),
    PrimaryKeyConstraint("program_id"),
    UniqueConstraint("code"),
    _length("code", 32),
    _length("name", 200),
)

api_key = Table(
    "api_key",
    metadata,
    _id("key_id"),
    _id("program_id", nullable=True),
    _text("source", nullable=True),
    _text("label"),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    _instant("created_at"),
    _instant("expires_at", nullable=True),
    _instant("revoked_at", nullable=True),
    _text("owner", nullable=True),
    PrimaryKeyConstraint("key_id"),
    _length("label", 200, least=0),
    _length("owner", 200),
)

rules = Table(
    "rules",
    metadata,
    _id("program_id"),
    Column("version", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    _instant("in_force_from"),
    _instant("published_at"),
    _text("published_by"),
    PrimaryKeyConstraint("program_id", "version"),
    ForeignKeyConstraint(["program_id"], ["program.program_id"]),
    CheckConstraint("version >= 1", name="version"),
)

draft = Table(
    "draft",
    metadata,
    _id("program_id"),
    Column("revision", Integer, nullable=False),
    Column("text", LargeBinary, nullable=False),
    _instant("changed_at"),
    _text("changed_by"),
    PrimaryKeyConstraint("program_id"),
    ForeignKeyConstraint(["program_id"], ["program.program_id"]),
    CheckConstraint("revision >= 1", name="revision"),
    CheckConstraint("octet_length(text) <= 262144", name="text_length"),
    _length("changed_by", 200),
)

shop = Table(
    "shop",
    metadata,
    _id("program_id"),
    _id("shop_id"),
    _text("source"),
    _text("name"),
    _instant("created_at"),
    PrimaryKeyConstraint("program_id", "shop_id"),
    UniqueConstraint("program_id", "source"),
    ForeignKeyConstraint(["program_id"], ["program.program_id"]),
    _length("source", 64),
    CheckConstraint("source NOT IN ('zegel', 'ops')", name="source_reserved"),
)

member = Table(
    "member",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _amount("sequence"),
    _amount("messages"),
    Column("head", LargeBinary, nullable=False),
    _instant("recorded_at"),
    _instant("judged_at"),
    _instant("quiet_before", nullable=True),
    _instant("enrolled_at"),
    _text("referral_code"),
    _id("referrer_id", nullable=True),
    _text("referral"),
    _instant("referral_lapses_at", nullable=True),
    Column("referral_purchase", BigInteger, nullable=True),
    Column("referral_rounds", Integer, nullable=True),
    _instant("referral_claimed_at", nullable=True),
    _text("referral_review", nullable=True),
    _instant("referral_due_at", nullable=True),
    Column("referral_version", Integer, nullable=True),
    Column("parked", Integer, nullable=True),
    _instant("tiers_due_at", nullable=True),
    Column("purchases", BigInteger, nullable=True),
    _instant("bought_at", nullable=True),
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
    **_HOT,
)

member_identity = Table(
    "member_identity",
    metadata,
    _id("program_id"),
    Column("digest", LargeBinary, nullable=False),
    _text("kind"),
    _id("member_id"),
    _text("value"),
    PrimaryKeyConstraint("program_id", "digest"),
    Index("member_identity_member_idx", "program_id", "member_id"),
    _length("value", 320),
)

fingerprint = Table(
    "fingerprint",
    metadata,
    _id("program_id"),
    _id("member_id"),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("program_id", "member_id", "digest"),
    CheckConstraint("octet_length(digest) = 16", name="digest"),
)

profile = Table(
    "profile",
    metadata,
    _id("program_id"),
    _id("member_id"),
    Column("birthday", Date, nullable=True),
    _instant("birthday_changed_at", nullable=True),
    Column("attributes", JSON, nullable=True),
    PrimaryKeyConstraint("program_id", "member_id"),
)

member_tag = Table(
    "member_tag",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _text("tag"),
    _amount("sequence"),
    _instant("since"),
    _instant("until", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "tag", "sequence"),
    CheckConstraint("sequence >= 0", name="sequence"),
    _length("tag", 32),
    **_HOT,
)

account = Table(
    "account",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _text("unit"),
    _amount("balance"),
    _amount("active"),
    _amount("pending"),
    _amount("held"),
    _amount("deficit"),
    _instant("active_until", nullable=True),
    _instant("next_due_at", nullable=True),
    _amount("earned"),
    _amount("redeemed"),
    _amount("expired"),
    _amount("reversed"),
    _instant("notice_at", nullable=True),
    _instant("told_until", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "unit"),
    _within("balance", "active", "pending", "earned", "redeemed", "expired", "reversed"),
    CheckConstraint("active >= 0 AND pending >= 0 AND held >= 0 AND deficit >= 0", name="not_negative"),
    CheckConstraint("balance = active + pending - deficit", name="sum"),
    Index("account_notice_idx", "program_id", "notice_at", postgresql_where=text("notice_at IS NOT NULL")),
    Index("account_active_until_idx", "program_id", "active_until", postgresql_where=text("active_until IS NOT NULL")),
    **_HOT,
)

event = Table(
    "event",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _amount("sequence"),
    _id("event_id"),
    _text("source"),
    _text("kind"),
    _text("key"),
    _instant("occurred_at"),
    _instant("effective_at"),
    _instant("recorded_at"),
    Column("rules_version", Integer, nullable=False),
    Column("engine", SmallInteger, nullable=False),
    Column("lane", Integer, nullable=False),
    Column("leaf", Integer, nullable=False),
    _amount("block"),
    Column("digest", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("explanation", JSON, nullable=False),
    Column("accounts", JSON, nullable=False),
    _id("about", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "sequence"),
    UniqueConstraint("program_id", "source", "kind", "key"),
    UniqueConstraint("program_id", "event_id"),
    CheckConstraint("sequence >= 1", name="sequence"),
    CheckConstraint("octet_length(hash) = 32", name="hash"),
    CheckConstraint("octet_length(digest) = 16", name="digest"),
    _length("source", 64),
    _length("kind", 32),
    _length("key", 128),
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
    _id("program_id"),
    _id("member_id"),
    _amount("sequence"),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("program_id", "member_id", "sequence"),
)

MOVING = "available_at IS NULL AND expires_at IS NOT NULL"
"""Of an entry: it put points back into lots that had ended, and says until when they live on (semantics L8)."""

entry = Table(
    "entry",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _amount("sequence"),
    Column("position", SmallInteger, nullable=False),
    _text("unit"),
    _amount("points"),
    _amount("balance_after"),
    _instant("available_at", nullable=True),
    _instant("expires_at", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "sequence", "position"),
    _within("points", "balance_after"),
    CheckConstraint("points > 0 OR (available_at IS NULL AND expires_at IS NULL)", name="lot_is_credit"),
    Index("entry_moving_idx", "program_id", "member_id", postgresql_where=text(MOVING)),
)

draw = Table(
    "draw",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _amount("sequence"),
    Column("position", SmallInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    _amount("lot_sequence"),
    Column("lot_position", SmallInteger, nullable=False),
    _amount("points"),
    PrimaryKeyConstraint("program_id", "member_id", "sequence", "position", "ordinal"),
    _within("points"),
    CheckConstraint("points <> 0", name="points"),
)

open_lot = Table(
    "open_lot",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _amount("sequence"),
    Column("position", SmallInteger, nullable=False),
    _text("unit"),
    _amount("credited"),
    _amount("remaining"),
    _amount("reserved"),
    _instant("occurred_at"),
    _instant("available_at"),
    _instant("expires_at", nullable=True),
    Column("waiting", Boolean, nullable=False),
    PrimaryKeyConstraint("program_id", "member_id", "sequence", "position"),
    _within("credited"),
    CheckConstraint("0 <= reserved AND reserved <= remaining AND remaining <= credited", name="bounds"),
    Index("open_lot_expires_idx", "program_id", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    Index("open_lot_available_idx", "program_id", "available_at", postgresql_where=text("waiting")),
    **_HOT,
)

reservation = Table(
    "reservation",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _amount("hold"),
    _amount("lot_sequence"),
    Column("lot_position", SmallInteger, nullable=False),
    _id("hold_id"),
    _amount("points"),
    _instant("lapses_at"),
    PrimaryKeyConstraint("program_id", "member_id", "hold", "lot_sequence", "lot_position"),
    _within("points"),
    CheckConstraint("points >= 1", name="points"),
    Index("reservation_lapses_idx", "program_id", "lapses_at"),
    **_HOT,
)

usage = Table(
    "usage",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _text("counter"),
    _instant("since"),
    _instant("until", nullable=True),
    _amount("points"),
    _amount("times"),
    PrimaryKeyConstraint("program_id", "member_id", "counter", "since"),
    _within("points", "times"),
    _length("counter", 128),
    **_HOT,
)

shared_usage = Table(
    "shared_usage",
    metadata,
    _id("program_id"),
    _text("counter"),
    _instant("since"),
    _instant("until", nullable=True),
    _amount("points"),
    _amount("times"),
    PrimaryKeyConstraint("program_id", "counter", "since"),
    _within("points", "times"),
    _length("counter", 128),
    **_HOT,
)

tier_term = Table(
    "tier_term",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _text("ladder"),
    _amount("sequence"),
    _text("tier"),
    _instant("since"),
    _instant("began_at", nullable=True),
    _text("earned", nullable=True),
    _text("confirmed", nullable=True),
    _instant("review_at", nullable=True),
    _instant("falls_at", nullable=True),
    _text("falls_to", nullable=True),
    _instant("notice_at", nullable=True),
    _text("missed", nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "ladder", "sequence"),
    CheckConstraint("(falls_at IS NULL) = (falls_to IS NULL)", name="falls"),
)

tier_floor = Table(
    "tier_floor",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _text("ladder"),
    _amount("sequence"),
    _text("rule"),
    _text("tier"),
    _instant("given_at"),
    _instant("ends_at", nullable=True),
    Column("months", Integer, nullable=True),
    Column("days", Integer, nullable=True),
    PrimaryKeyConstraint("program_id", "member_id", "ladder", "sequence", "rule"),
    CheckConstraint("(months IS NULL) = (days IS NULL)", name="lasts"),
    _length("ladder", 32),
    _length("tier", 32),
    _length("rule", 128, least=0),
)

schedule = Table(
    "schedule",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _text("key"),
    _instant("due_at"),
    _text("kind"),
    Column("facts", LargeBinary, nullable=False),
    Column("rules_version", Integer, nullable=False),
    _id("cause"),
    PrimaryKeyConstraint("program_id", "member_id", "key"),
    Index("schedule_due_idx", "program_id", "due_at"),
    _length("key", 128),
)

schedule_run = Table(
    "schedule_run",
    metadata,
    _id("program_id"),
    _text("schedule"),
    Column("day", Date, nullable=False),
    _id("after", nullable=True),
    PrimaryKeyConstraint("program_id", "schedule"),
    _length("schedule", 64),
)

parked = Table(
    "parked",
    metadata,
    _id("program_id"),
    _id("member_id"),
    _text("source"),
    _text("kind"),
    _text("key"),
    _id("event_id"),
    _text("awaits_source"),
    _text("awaits_kind"),
    _text("awaits_key"),
    Column("digest", LargeBinary, nullable=False),
    _instant("occurred_at"),
    _instant("parked_at"),
    _instant("lapses_at"),
    Column("facts", LargeBinary, nullable=False),
    Column("particulars", LargeBinary, nullable=False),
    _text("mode"),
    PrimaryKeyConstraint("program_id", "source", "kind", "key"),
    Index("parked_awaits_idx", "program_id", "member_id"),
    Index("parked_lapses_idx", "program_id", "lapses_at"),
)

refused = Table(
    "refused",
    metadata,
    _id("program_id"),
    _text("source"),
    _text("kind"),
    _text("key"),
    _id("refused_id"),
    _id("member_id", nullable=True),
    Column("identity", LargeBinary, nullable=True),
    _instant("occurred_at"),
    _instant("refused_at"),
    _text("code"),
    Column("details", JSON, nullable=False),
    Column("facts", LargeBinary, nullable=False),
    Column("particulars", LargeBinary, nullable=False),
    _text("mode"),
    PrimaryKeyConstraint("program_id", "source", "kind", "key"),
    UniqueConstraint("program_id", "refused_id"),
    Index("refused_at_idx", "program_id", "refused_at"),
)

lane = Table(
    "lane",
    metadata,
    _id("program_id"),
    Column("lane", Integer, nullable=False),
    _id("owner"),
    _instant("leased_until"),
    PrimaryKeyConstraint("program_id", "lane"),
)

block = Table(
    "block",
    metadata,
    _id("program_id"),
    Column("lane", Integer, nullable=False),
    _amount("number"),
    Column("previous", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("events", Integer, nullable=False),
    Column("sums", JSON, nullable=False),
    _instant("recorded_at"),
    PrimaryKeyConstraint("program_id", "lane", "number"),
    CheckConstraint("octet_length(root) = 32 AND octet_length(hash) = 32", name="hash"),
    CheckConstraint("events >= 1 AND number >= 1", name="numbers"),
)

endpoint = Table(
    "endpoint",
    metadata,
    _id("program_id"),
    _id("endpoint_id"),
    _text("source", nullable=True),
    _text("url"),
    _text("description"),
    Column("types", ARRAY(Text), nullable=True),
    Column("secret", LargeBinary, nullable=False),
    _text("state"),
    _instant("created_at"),
    _instant("deleted_at", nullable=True),
    _instant("disabled_at", nullable=True),
    _text("disabled_reason", nullable=True),
    _instant("paused_at", nullable=True),
    # What is set: nothing stands for revision 1, no order, `skip`, the usual number in flight, and no limit of rate.
    Column("revision", Integer, nullable=True),
    _text("ordering", nullable=True),
    _text("exhausted", nullable=True),
    Column("in_flight", SmallInteger, nullable=True),
    Column("per_second", SmallInteger, nullable=True),
    _instant("old_secrets_until", nullable=True),
    # What the worker notes: how it has fared lately, and what it still has to do.
    _instant("rate_at", nullable=True),
    Column("failures", Integer, nullable=True),
    Column("trips", SmallInteger, nullable=True),
    _instant("open_until", nullable=True),
    _instant("failing_since", nullable=True),
    Column("releasing", Boolean, nullable=True),
    PrimaryKeyConstraint("program_id", "endpoint_id"),
    CheckConstraint("state IN ('enabled', 'paused', 'disabled', 'deleted')", name="state"),
    CheckConstraint("ordering IN ('none', 'member', 'strict')", name="ordering"),
    CheckConstraint("exhausted IN ('skip', 'hold')", name="exhausted"),
    CheckConstraint("in_flight BETWEEN 1 AND 256", name="in_flight"),
    CheckConstraint("per_second BETWEEN 1 AND 1000", name="per_second"),
    _length("url", 2048),
)

message = Table(
    "message",
    metadata,
    _id("program_id"),
    _id("message_id"),
    _id("member_id", nullable=True),
    Column("sequence", BigInteger, nullable=True),
    Column("number", BigInteger, nullable=True),
    _text("type"),
    Column("body", LargeBinary, nullable=False),
    _instant("created_at"),
    _text("audience", nullable=True),
    PrimaryKeyConstraint("program_id", "message_id"),
    CheckConstraint("octet_length(body) <= 262144", name="body_length"),
    Index("message_created_idx", "created_at", postgresql_using="brin"),
)

# A row for each piece of a batch, added with its messages and gone when they have their positions in the feed.
unsequenced = Table(
    "unsequenced",
    metadata,
    _id("program_id"),
    _instant("written_at"),
    _id("first_id"),
    Column("messages", ARRAY(Id), nullable=False),
    PrimaryKeyConstraint("program_id", "written_at", "first_id"),
)

feed = Table(
    "feed",
    metadata,
    _id("program_id"),
    _amount("position"),
    _id("message_id"),
    _instant("sequenced_at"),
    PrimaryKeyConstraint("program_id", "position"),
    CheckConstraint("position >= 1", name="position"),
)

feed_head = Table(
    "feed_head",
    metadata,
    _id("program_id"),
    _amount("position"),
    _amount("removed"),
    _instant("sequenced_at"),
    PrimaryKeyConstraint("program_id"),
    CheckConstraint("0 <= removed AND removed <= position", name="positions"),
)

pending_delivery = Table(
    "pending_delivery",
    metadata,
    _id("program_id"),
    _id("endpoint_id"),
    _id("message_id"),
    _instant("due_at"),
    Column("lease", Id, nullable=True),
    _id("ordering_key", nullable=True),
    Column("attempts", SmallInteger, nullable=False),
    # The place among those of the same key: by time where the key is the endpoint, by number where it is a member.
    _instant("queued_at", nullable=True),
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
    **_HOT,
)

delivery = Table(
    "delivery",
    metadata,
    _id("program_id"),
    _id("endpoint_id"),
    _id("message_id"),
    _text("state"),
    Column("attempts", SmallInteger, nullable=False),
    _instant("finished_at"),
    PrimaryKeyConstraint("program_id", "endpoint_id", "message_id"),
    CheckConstraint("state IN ('delivered', 'exhausted', 'abandoned', 'aborted')", name="state"),
    Index("delivery_finished_idx", "finished_at", postgresql_using="brin"),
)

attempt = Table(
    "attempt",
    metadata,
    _id("program_id"),
    _id("endpoint_id"),
    _id("message_id"),
    _id("attempt_id"),
    Column("number", SmallInteger, nullable=False),
    _instant("started_at"),
    Column("duration_ms", Integer, nullable=False),
    Column("status", SmallInteger, nullable=True),
    _text("outcome"),
    _text("error", nullable=True),
    Column("answer", LargeBinary, nullable=False),
    PrimaryKeyConstraint("program_id", "endpoint_id", "message_id", "attempt_id"),
    CheckConstraint("octet_length(answer) <= 4096", name="answer_length"),
    Index("attempt_started_idx", "started_at", postgresql_using="brin"),
)

replay = Table(
    "replay",
    metadata,
    _id("program_id"),
    _id("endpoint_id"),
    _id("replay_id"),
    _text("which"),
    _instant("since"),
    _instant("until"),
    _amount("first"),
    _amount("last"),
    _amount("position"),
    _amount("queued"),
    _text("state"),
    _text("requested_by"),
    _instant("created_at"),
    _instant("finished_at", nullable=True),
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
    _id("program_id"),
    _instant("messages_from"),
    PrimaryKeyConstraint("program_id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    _id("program_id"),
    _id("key_id"),
    _text("key"),
    Column("digest", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    _text("location", nullable=True),
    Column("body", LargeBinary, nullable=False),
    _instant("created_at"),
    PrimaryKeyConstraint("program_id", "key_id", "key"),
    _length("key", 128),
)

adjustment = Table(
    "adjustment",
    metadata,
    _id("program_id"),
    _id("adjustment_id"),
    _text("key"),
    _id("member_id"),
    _text("unit"),
    _amount("points"),
    Column("facts", LargeBinary, nullable=False),
    Column("particulars", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    _text("requested_by"),
    _instant("requested_at"),
    _text("state"),
    _instant("lapses_at", nullable=True),
    _text("decided_by", nullable=True),
    _instant("decided_at", nullable=True),
    _id("event_id", nullable=True),
    PrimaryKeyConstraint("program_id", "adjustment_id"),
    UniqueConstraint("program_id", "key"),
    _within("points"),
    CheckConstraint("points <> 0", name="points"),
    CheckConstraint("state IN ('waiting', 'approved', 'rejected')", name="state"),
    CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
    CheckConstraint("state <> 'waiting' OR lapses_at IS NOT NULL", name="lapses"),
    CheckConstraint("decided_by <> requested_by", name="second_person"),
    CheckConstraint("event_id IS NULL OR state = 'approved'", name="recorded"),
    CheckConstraint("octet_length(facts) <= 4096", name="facts_length"),
    CheckConstraint("octet_length(particulars) <= 8192", name="particulars_length"),
    CheckConstraint("octet_length(digest) = 16", name="digest"),
    _length("key", 128),
    _length("unit", 32),
    _length("requested_by", 200),
    _length("decided_by", 200),
    Index("adjustment_day_idx", "program_id", "requested_by", "requested_at"),
    Index("adjustment_state_idx", "program_id", "state", "adjustment_id"),
)

audit = Table(
    "audit",
    metadata,
    _id("program_id"),
    _id("audit_id"),
    _instant("at"),
    _text("actor"),
    _text("action"),
    _text("subject"),
    Column("details", JSON, nullable=False),
    PrimaryKeyConstraint("program_id", "audit_id"),
)

APPEND_ONLY = frozenset({"rules", "event", "entry", "draw", "tier_term", "block", "message", "attempt", "audit"})
"""Tables whose rows the service may add and read, never change or remove."""

REMOVABLE = frozenset({"message", "attempt", "delivery"})
"""Tables whose rows the janitor may remove when they have had their time."""

REFERENCE = frozenset({"program", "api_key"})
"""Tables outside the rule that `program_id` leads every key."""

SERVICE_ROLE = "zegel_service"
"""The group role that holds the service's rights; the login role of the service is a member of it."""

JANITOR_ROLE = "zegel_janitor"
"""The group role that may remove old messages and attempts, and nothing else; only a worker logs in as a member."""


def janitor_rights(table: str) -> tuple[str, ...]:
    """The privileges of the janitor's role on a table."""
    if table in REMOVABLE:
        return ("SELECT", "DELETE")
    return ("SELECT", "INSERT", "UPDATE") if table == "retention" else ()


def service_rights(table: str) -> tuple[str, ...]:
    """The privileges of the service's role on a table."""
    if table == "retention":
        return ("SELECT",)
    if table in APPEND_ONLY:
        return ("SELECT", "INSERT")
    if table in _NEVER_DELETED:
        return ("SELECT", "INSERT", "UPDATE")
    return ("SELECT", "INSERT", "UPDATE", "DELETE")


_NEVER_DELETED = frozenset(
    {
        "program",
        "api_key",
        "shop",
        "draft",
        "member",
        "account",
        "lane",
        "endpoint",
        "delivery",
        "adjustment",
        "feed_head",
        "replay",
    }
)
