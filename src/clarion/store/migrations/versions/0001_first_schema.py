"""The first schema.

Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """All the tables, the one row of settings, and the sequences."""
    _configuration()
    _broadcasts()
    _deliveries()
    _contacts()
    _binds()
    _money()
    op.execute("INSERT INTO settings (id, version) VALUES (1, 0)")
    op.execute("INSERT INTO sequences (name, value) VALUES ('message', 0), ('fence', 0)")


def _configuration() -> None:
    op.create_table(
        "settings",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_settings"),
        comment="One row. Every change of keys, carriers, routes, prices or opt-outs raises `version`; every poll reads it.",
    )
    op.create_table(
        "sequences",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sequences"),
        comment="`message`: the last message id given out; `fence`: the last fence.",
    )
    op.create_table(
        "organizations",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("public_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("billing", sa.Text, nullable=False),
        sa.Column("limit_milli", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("default_sender", sa.Text),
        sa.Column("refunds_failed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("name", name="uq_organizations_name"),
        sa.UniqueConstraint("public_id", name="uq_organizations_public_id"),
    )
    op.create_table(
        "wallets",
        sa.Column("organization_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("available_milli", sa.BigInteger, nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_wallets_organization_id"),
        sa.PrimaryKeyConstraint("organization_id", name="pk_wallets"),
        comment="The sum of the ledger's lines on `available`, kept so that a reserve is one conditional update.",
    )
    op.create_table(
        "keys",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scopes", sa.Text),
        sa.Column("face", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_keys_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
    )
    op.create_index("ix_keys_organization_id", "keys", ["organization_id"])
    op.create_table(
        "carriers",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("cost", sa.Text),
        sa.Column("reference_form", sa.Text),
        sa.Column("unknown_after_s", sa.BigInteger, nullable=False, server_default="259200"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_carriers"),
        sa.UniqueConstraint("name", name="uq_carriers_name"),
    )
    op.create_table(
        "routes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("carrier_id", BIG_ID, nullable=False),
        sa.Column("weight", sa.Integer, nullable=False, server_default="1"),
        sa.ForeignKeyConstraint(["carrier_id"], ["carriers.id"], name="fk_routes_carrier_id"),
        sa.PrimaryKeyConstraint("id", name="pk_routes"),
    )
    op.create_index("ix_routes_carrier_id", "routes", ["carrier_id"])
    op.create_table(
        "prices",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("organization_id", BIG_ID),
        sa.Column("carrier_id", BIG_ID),
        sa.Column("amount", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["carrier_id"], ["carriers.id"], name="fk_prices_carrier_id"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_prices_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_prices"),
    )


def _broadcasts() -> None:
    op.create_table(
        "broadcasts",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("public_id", sa.Uuid, nullable=False),
        sa.Column("campaign_id", BIG_ID),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("face", sa.Text, nullable=False),
        sa.Column("lane", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("sender", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("first_id", sa.BigInteger, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False, server_default="0"),
        sa.Column("open_chunks", sa.Integer, nullable=False, server_default="0"),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("touched_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_broadcasts_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_broadcasts"),
        sa.UniqueConstraint("public_id", name="uq_broadcasts_public_id"),
    )
    op.create_index(
        "ix_broadcasts_accepting",
        "broadcasts",
        ["touched_at"],
        sqlite_where=sa.text("state = 'accepting'"),
        postgresql_where=sa.text("state = 'accepting'"),
    )
    op.create_index("ix_broadcasts_first_id", "broadcasts", ["first_id"])
    op.create_index(
        "ix_broadcasts_open",
        "broadcasts",
        ["expires_at"],
        sqlite_where=sa.text("state IN ('accepted', 'paused')"),
        postgresql_where=sa.text("state IN ('accepted', 'paused')"),
    )
    op.create_index("ix_broadcasts_organization_id_id", "broadcasts", ["organization_id", "id"])
    op.create_table(
        "messages",
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("broadcast_id", sa.BigInteger, nullable=False),
        sa.Column("organization_id", sa.BigInteger, nullable=False),
        sa.Column("recipient", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("encoding", sa.Text, nullable=False),
        sa.Column("segments", sa.SmallInteger, nullable=False),
        sa.Column("price_milli", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        comment="Never changed: prices and texts are fixed at accept.",
    )
    op.create_index("ix_messages_recipient_id", "messages", ["recipient", "id"])
    op.create_table(
        "rejects",
        sa.Column("broadcast_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "position", name="pk_rejects"),
    )
    op.create_table(
        "chunks",
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("broadcast_id", sa.BigInteger, nullable=False),
        sa.Column("organization_id", sa.BigInteger, nullable=False),
        sa.Column("carrier_id", sa.BigInteger, nullable=False),
        sa.Column("lane", sa.SmallInteger, nullable=False),
        sa.Column("marked_id", sa.BigInteger, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.Column("opens_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("bind_id", sa.BigInteger),
        sa.Column("fence", sa.BigInteger),
        sa.Column("retry_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("marked_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("unknown_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("sent_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cancelled_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("suppressed_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("expired_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refused_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("undetermined_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("undelivered_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("delivered_count", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_chunks"),
    )
    op.create_index("ix_chunks_broadcast_id", "chunks", ["broadcast_id"])
    op.create_index(
        "ix_chunks_claimed",
        "chunks",
        ["bind_id", "lane", "id"],
        sqlite_where=sa.text("state = 'claimed'"),
        postgresql_where=sa.text("state = 'claimed'"),
    )
    op.create_index(
        "ix_chunks_ready",
        "chunks",
        ["carrier_id", "lane", "organization_id", "id"],
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_chunks_waiting",
        "chunks",
        ["organization_id", "carrier_id", "lane", "id"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("message_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("chunk_id", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("rank", sa.SmallInteger, nullable=False),
        sa.Column("attempt", sa.SmallInteger, nullable=False),
        sa.Column("carrier_id", sa.BigInteger),
        sa.Column("carrier_reference", sa.Text),
        sa.Column("fence", sa.BigInteger),
        sa.Column("reason", sa.Text),
        sa.Column("charged_milli", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_deliveries"),
        comment="Written first with an outcome: a waiting message, or a first attempt on its way, has no row.",
    )
    op.create_index(
        "ix_deliveries_open",
        "deliveries",
        ["updated_at"],
        sqlite_where=sa.text("state IN ('marked', 'unknown')"),
        postgresql_where=sa.text("state IN ('marked', 'unknown')"),
    )
    op.create_index("ix_deliveries_reference", "deliveries", ["carrier_id", "carrier_reference"])
    op.create_index(
        "ix_deliveries_retry",
        "deliveries",
        ["carrier_id", "due_at"],
        sqlite_where=sa.text("state = 'retry'"),
        postgresql_where=sa.text("state = 'retry'"),
    )
    op.create_table(
        "attempts",
        sa.Column("message_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("carrier_id", sa.BigInteger),
        sa.Column("carrier_reference", sa.Text),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("receipt", sa.Text),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("message_id", "attempt", name="pk_attempts"),
        comment="Attempts before the one in `deliveries`.",
    )
    op.create_index("ix_attempts_reference", "attempts", ["carrier_id", "carrier_reference"])
    op.create_table(
        "parts",
        sa.Column("message_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("part", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("carrier_id", sa.BigInteger, nullable=False),
        sa.Column("carrier_reference", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("message_id", "attempt", "part", name="pk_parts"),
        comment="The parts of messages that have more than one.",
    )
    op.create_index("ix_parts_reference", "parts", ["carrier_id", "carrier_reference"])
    op.create_table(
        "orphans",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("carrier_id", sa.BigInteger, nullable=False),
        sa.Column("carrier_reference", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("user_message_reference", sa.Integer, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orphans"),
        comment="Receipts that fit nothing yet.",
    )
    op.create_index("ix_orphans_carrier_id_carrier_reference", "orphans", ["carrier_id", "carrier_reference"])


def _contacts() -> None:
    op.create_table(
        "inbound",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("carrier_id", sa.BigInteger, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("data_coding", sa.SmallInteger, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("part", sa.SmallInteger, nullable=False),
        sa.Column("parts", sa.SmallInteger, nullable=False),
        sa.Column("part_reference", sa.Integer, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inbound"),
    )
    op.create_table(
        "suppressions",
        sa.Column("organization_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("recipient", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "recipient", name="pk_suppressions"),
        sqlite_with_rowid=False,
    )


def _binds() -> None:
    op.create_table(
        "binds",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("carrier_id", BIG_ID, nullable=False),
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("owner", sa.BigInteger),
        sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("lease_until", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("state", sa.Text, nullable=False, server_default="closed"),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("since_at", sa.BigInteger, nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["carrier_id"], ["carriers.id"], name="fk_binds_carrier_id"),
        sa.PrimaryKeyConstraint("id", name="pk_binds"),
        sa.UniqueConstraint("carrier_id", "slot", name="uq_binds_carrier_id_slot"),
    )


def _money() -> None:
    op.create_table(
        "holds",
        sa.Column("broadcast_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("amount_milli", sa.BigInteger, nullable=False),
        sa.Column("charged_milli", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("released_milli", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("broadcast_id", name="pk_holds"),
    )
    op.create_table(
        "ledger",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("organization_id", sa.BigInteger, nullable=False),
        sa.Column("broadcast_id", sa.BigInteger),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger"),
    )
    op.create_index("ix_ledger_broadcast_id", "ledger", ["broadcast_id"])
    op.create_index("ix_ledger_organization_id_id", "ledger", ["organization_id", "id"])
    op.create_table(
        "ledger_lines",
        sa.Column("ledger_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("amount_milli", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["ledger_id"], ["ledger.id"], name="fk_ledger_lines_ledger_id"),
        sa.PrimaryKeyConstraint("ledger_id", "account", name="pk_ledger_lines"),
        comment="Append-only; the lines of an entry add up to 0.",
    )
