"""The ledger: every table of the first version."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("deficit", sa.BigInteger(), nullable=False),
        sa.Column("active_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("next_due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("redeemed", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), nullable=False),
        sa.Column("reversed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "active >= 0 AND pending >= 0 AND held >= 0 AND deficit >= 0", name=op.f("account_not_negative_check")
        ),
        sa.CheckConstraint("balance = active + pending - deficit", name=op.f("account_sum_check")),
        sa.CheckConstraint(
            "balance BETWEEN -9007199254740991 AND 9007199254740991 AND active BETWEEN -9007199254740991 AND 9007199254740991 AND pending BETWEEN -9007199254740991 AND 9007199254740991 AND earned BETWEEN -9007199254740991 AND 9007199254740991 AND redeemed BETWEEN -9007199254740991 AND 9007199254740991 AND expired BETWEEN -9007199254740991 AND 9007199254740991 AND reversed BETWEEN -9007199254740991 AND 9007199254740991",
            name=op.f("account_range_check"),
        ),
        sa.PrimaryKeyConstraint("program_id", "member_id", "unit", name=op.f("account_pkey")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("program_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("length(label) BETWEEN 0 AND 200", name=op.f("api_key_label_length_check")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("api_key_pkey")),
    )
    op.create_table(
        "attempt",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(answer) <= 4096", name=op.f("attempt_answer_length_check")),
        sa.PrimaryKeyConstraint("program_id", "endpoint_id", "message_id", "attempt_id", name=op.f("attempt_pkey")),
    )
    op.create_table(
        "audit",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("audit_id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "audit_id", name=op.f("audit_pkey")),
    )
    op.create_table(
        "block",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("sums", sa.JSON(), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("events >= 1 AND number >= 1", name=op.f("block_numbers_check")),
        sa.CheckConstraint("octet_length(root) = 32 AND octet_length(hash) = 32", name=op.f("block_hash_check")),
        sa.PrimaryKeyConstraint("program_id", "lane", "number", name=op.f("block_pkey")),
    )
    op.create_table(
        "delivery",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('delivered', 'exhausted', 'abandoned')", name=op.f("delivery_state_check")),
        sa.PrimaryKeyConstraint("program_id", "endpoint_id", "message_id", name=op.f("delivery_pkey")),
    )
    op.create_table(
        "draw",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("lot_sequence", sa.BigInteger(), nullable=False),
        sa.Column("lot_position", sa.SmallInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("points <> 0", name=op.f("draw_points_check")),
        sa.CheckConstraint("points BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("draw_range_check")),
        sa.PrimaryKeyConstraint("program_id", "member_id", "sequence", "position", "ordinal", name=op.f("draw_pkey")),
    )
    op.create_table(
        "endpoint",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("types", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("disabled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('enabled', 'disabled', 'deleted')", name=op.f("endpoint_state_check")),
        sa.CheckConstraint("length(url) BETWEEN 1 AND 2048", name=op.f("endpoint_url_length_check")),
        sa.PrimaryKeyConstraint("program_id", "endpoint_id", name=op.f("endpoint_pkey")),
    )
    op.create_table(
        "entry",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("available_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("points <> 0", name=op.f("entry_points_check")),
        sa.CheckConstraint(
            "points > 0 OR (available_at IS NULL AND expires_at IS NULL)", name=op.f("entry_lot_is_credit_check")
        ),
        sa.CheckConstraint(
            "points BETWEEN -9007199254740991 AND 9007199254740991 AND balance_after BETWEEN -9007199254740991 AND 9007199254740991",
            name=op.f("entry_range_check"),
        ),
        sa.PrimaryKeyConstraint("program_id", "member_id", "sequence", "position", name=op.f("entry_pkey")),
    )
    op.create_table(
        "event",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("effective_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("engine", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("explanation", sa.JSON(), nullable=False),
        sa.Column("accounts", sa.JSON(), nullable=False),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 128", name=op.f("event_key_length_check")),
        sa.CheckConstraint("length(kind) BETWEEN 1 AND 32", name=op.f("event_kind_length_check")),
        sa.CheckConstraint("length(source) BETWEEN 1 AND 64", name=op.f("event_source_length_check")),
        sa.CheckConstraint("octet_length(digest) = 16", name=op.f("event_digest_check")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("event_hash_check")),
        sa.CheckConstraint("sequence >= 1", name=op.f("event_sequence_check")),
        sa.PrimaryKeyConstraint("program_id", "member_id", "sequence", name=op.f("event_pkey")),
        sa.UniqueConstraint("program_id", "event_id", name=op.f("event_program_id_event_id_key")),
        sa.UniqueConstraint("program_id", "source", "kind", "key", name=op.f("event_program_id_source_kind_key_key")),
    )
    op.create_index("event_recorded_idx", "event", ["recorded_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "idempotency",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 128", name=op.f("idempotency_key_length_check")),
        sa.PrimaryKeyConstraint("program_id", "key_id", "key", name=op.f("idempotency_pkey")),
    )
    op.create_table(
        "lane",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("leased_until", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "lane", name=op.f("lane_pkey")),
    )
    op.create_table(
        "member",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("judged_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quiet_before", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("enrolled_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("referral_code", sa.Text(), nullable=False),
        sa.Column("referrer_id", sa.Uuid(), nullable=True),
        sa.Column("referral", sa.Text(), nullable=False),
        sa.Column("referral_lapses_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("messages >= 0", name=op.f("member_messages_check")),
        sa.CheckConstraint("octet_length(head) = 32", name=op.f("member_head_check")),
        sa.CheckConstraint("referrer_id <> member_id", name=op.f("member_own_referrer_check")),
        sa.CheckConstraint("sequence >= 1", name=op.f("member_sequence_check")),
        sa.PrimaryKeyConstraint("program_id", "member_id", name=op.f("member_pkey")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "member_referrer_idx",
        "member",
        ["program_id", "referrer_id"],
        unique=False,
        postgresql_where=sa.text("referrer_id IS NOT NULL"),
    )
    op.create_table(
        "member_identity",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.CheckConstraint("length(value) BETWEEN 1 AND 320", name=op.f("member_identity_value_length_check")),
        sa.PrimaryKeyConstraint("program_id", "digest", name=op.f("member_identity_pkey")),
    )
    op.create_index("member_identity_member_idx", "member_identity", ["program_id", "member_id"], unique=False)
    op.create_table(
        "message",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(body) <= 262144", name=op.f("message_body_length_check")),
        sa.PrimaryKeyConstraint("program_id", "message_id", name=op.f("message_pkey")),
    )
    op.create_table(
        "open_lot",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("credited", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("available_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "0 <= reserved AND reserved <= remaining AND remaining <= credited", name=op.f("open_lot_bounds_check")
        ),
        sa.CheckConstraint(
            "credited BETWEEN -9007199254740991 AND 9007199254740991", name=op.f("open_lot_range_check")
        ),
        sa.PrimaryKeyConstraint("program_id", "member_id", "sequence", "position", name=op.f("open_lot_pkey")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "open_lot_available_idx",
        "open_lot",
        ["program_id", "available_at"],
        unique=False,
        postgresql_where=sa.text("available_at <> occurred_at"),
    )
    op.create_index(
        "open_lot_expires_idx",
        "open_lot",
        ["program_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "parked",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("awaits_source", sa.Text(), nullable=False),
        sa.Column("awaits_kind", sa.Text(), nullable=False),
        sa.Column("awaits_key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("parked_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("lapses_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("particulars", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "source", "kind", "key", name=op.f("parked_pkey")),
    )
    op.create_index("parked_awaits_idx", "parked", ["program_id", "member_id"], unique=False)
    op.create_index("parked_lapses_idx", "parked", ["program_id", "lapses_at"], unique=False)
    op.create_table(
        "particulars",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "member_id", "sequence", name=op.f("particulars_pkey")),
    )
    op.create_table(
        "pending_delivery",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("ordering_key", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "endpoint_id", "message_id", name=op.f("pending_delivery_pkey")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "pending_delivery_due_idx",
        "pending_delivery",
        ["program_id", "endpoint_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("attempts >= 0"),
    )
    op.create_table(
        "profile",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("birthday", sa.Date(), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("program_id", "member_id", name=op.f("profile_pkey")),
    )
    op.create_table(
        "program",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("length(code) BETWEEN 1 AND 32", name=op.f("program_code_length_check")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name=op.f("program_name_length_check")),
        sa.PrimaryKeyConstraint("program_id", name=op.f("program_pkey")),
        sa.UniqueConstraint("code", name=op.f("program_code_key")),
    )
    op.create_table(
        "schedule",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Uuid(), nullable=False),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 128", name=op.f("schedule_key_length_check")),
        sa.PrimaryKeyConstraint("program_id", "member_id", "key", name=op.f("schedule_pkey")),
    )
    op.create_index("schedule_due_idx", "schedule", ["program_id", "due_at"], unique=False)
    op.create_table(
        "tier_term",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("ladder", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "member_id", "ladder", "sequence", name=op.f("tier_term_pkey")),
    )
    op.create_table(
        "rules",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("in_force_from", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("rules_version_check")),
        sa.ForeignKeyConstraint(["program_id"], ["program.program_id"], name=op.f("rules_program_id_fkey")),
        sa.PrimaryKeyConstraint("program_id", "version", name=op.f("rules_pkey")),
    )
    op.create_table(
        "shop",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("source <> 'zegel'", name=op.f("shop_source_reserved_check")),
        sa.CheckConstraint("length(source) BETWEEN 1 AND 64", name=op.f("shop_source_length_check")),
        sa.ForeignKeyConstraint(["program_id"], ["program.program_id"], name=op.f("shop_program_id_fkey")),
        sa.PrimaryKeyConstraint("program_id", "shop_id", name=op.f("shop_pkey")),
        sa.UniqueConstraint("program_id", "source", name=op.f("shop_program_id_source_key")),
    )


def downgrade() -> None:
    op.drop_table("shop")
    op.drop_table("rules")
    op.drop_table("tier_term")
    op.drop_index("schedule_due_idx", table_name="schedule")
    op.drop_table("schedule")
    op.drop_table("program")
    op.drop_table("profile")
    op.drop_index("pending_delivery_due_idx", table_name="pending_delivery", postgresql_where=sa.text("attempts >= 0"))
    op.drop_table("pending_delivery")
    op.drop_table("particulars")
    op.drop_index("parked_lapses_idx", table_name="parked")
    op.drop_index("parked_awaits_idx", table_name="parked")
    op.drop_table("parked")
    op.drop_index("open_lot_expires_idx", table_name="open_lot", postgresql_where=sa.text("expires_at IS NOT NULL"))
    op.drop_index(
        "open_lot_available_idx", table_name="open_lot", postgresql_where=sa.text("available_at <> occurred_at")
    )
    op.drop_table("open_lot")
    op.drop_table("message")
    op.drop_index("member_identity_member_idx", table_name="member_identity")
    op.drop_table("member_identity")
    op.drop_index("member_referrer_idx", table_name="member", postgresql_where=sa.text("referrer_id IS NOT NULL"))
    op.drop_table("member")
    op.drop_table("lane")
    op.drop_table("idempotency")
    op.drop_index("event_recorded_idx", table_name="event", postgresql_using="brin")
    op.drop_table("event")
    op.drop_table("entry")
    op.drop_table("endpoint")
    op.drop_table("draw")
    op.drop_table("delivery")
    op.drop_table("block")
    op.drop_table("audit")
    op.drop_table("attempt")
    op.drop_table("api_key")
    op.drop_table("account")
