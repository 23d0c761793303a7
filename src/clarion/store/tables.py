"""The tables, as the migrations build them. One row shape for both engines.

Points in time are integer microseconds (`_at`), amounts integer thousandths of the currency's minor unit (`_milli`). Ids of
messages come from one counter, and every broadcast has a contiguous range of them, so that a chunk is a range and "the messages of
a broadcast" needs no index.
"""

import sqlalchemy as sa

from clarion.core.states import COUNTED

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite makes a rowid only of the exact word INTEGER."""


def _id() -> sa.Column[int]:
    return sa.Column("id", BigId, primary_key=True, autoincrement=True)


settings = sa.Table(
    "settings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    comment="One row. Every change of keys, carriers, routes, prices or opt-outs raises `version`; every poll reads it.",
)

sequences = sa.Table(
    "sequences",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    comment="`message`: the last message id given out; `fence`: the last fence.",
)

organizations = sa.Table(
    "organizations",
    metadata,
    _id(),
    sa.Column("public_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("billing", sa.Text, nullable=False),  # prepaid | postpaid | none
    sa.Column("limit_milli", sa.BigInteger, nullable=False, server_default="0"),  # how far below 0 `available` may go
    sa.Column("region", sa.Text, nullable=False),  # ISO 3166 alpha-2, for national forms of numbers
    sa.Column("zone", sa.Text, nullable=False),  # IANA
    sa.Column("default_sender", sa.Text),
    sa.Column("refunds_failed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("registered_senders", sa.Boolean, nullable=False, server_default=sa.false()),  # only those in `senders` may be named
    sa.Column("rate_limited", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("parent_id", sa.BigInteger),  # whose keys act for it too (Teli's POST /v1/organizations)
    sa.Column("contact_email", sa.Text),
    sa.Index("ix_organizations_parent_id", "parent_id"),
)

wallets = sa.Table(
    "wallets",
    metadata,
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), primary_key=True, autoincrement=False),
    sa.Column("available_milli", sa.BigInteger, nullable=False, server_default="0"),
    comment="The sum of the ledger's lines on `available`, kept so that a reserve is one conditional update.",
)

keys = sa.Table(
    "keys",
    metadata,
    _id(),
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),  # the first characters, so that a person knows which key it is
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),  # SHA-256 of the whole key
    sa.Column("scopes", sa.Text),  # separated by blanks; null: all
    sa.Column("face", sa.Text),  # null: every face
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("networks", sa.Text),  # separated by blanks; null: from everywhere
)

senders = sa.Table(
    "senders",
    metadata,
    _id(),
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, server_default="transactional"),  # promotional | transactional
    sa.Column("network", sa.Text),  # null: every network
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("organization_id", "sender"),
)

keywords = sa.Table(
    "keywords",
    metadata,
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), primary_key=True, autoincrement=False),
    sa.Column("keyword", sa.Text, primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

templates = sa.Table(
    "templates",
    metadata,
    _id(),
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # draft approved rejected
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("organization_id", "name", "version"),
    comment="A version is never changed: another one is added. The newest approved one is sent.",
)

request_counts = sa.Table(
    "request_counts",
    metadata,
    sa.Column("organization_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("counter", sa.Text, primary_key=True),
    sa.Column("span", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Index("ix_request_counts_span", "span"),
    comment="Requests by organization, counter and span, where several processes answer HTTP.",
)

campaigns = sa.Table(
    "campaigns",
    metadata,
    _id(),
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("face", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text, nullable=False),  # the client's own
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # processing active paused completed ended
    sa.Column("sender", sa.Text),
    sa.Column("agent_id", sa.Text),
    sa.Column("details", sa.Text, nullable=False, server_default="{}"),  # what else the client gave, as JSON
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("organization_id", "face", "external_id"),
)

contacts = sa.Table(
    "contacts",
    metadata,
    _id(),
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id")),
    sa.Column("list_id", sa.Text),
    sa.Column("recipient", sa.BigInteger, nullable=False),  # E.164 digits
    sa.Column("fields", sa.Text, nullable=False, server_default="{}"),  # JSON
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("campaign_id", "recipient"),
    sa.Index("ix_contacts_organization_id_recipient", "organization_id", "recipient"),
)

sa.Index(
    "ix_contacts_organization_id_list_id",
    contacts.c.organization_id,
    contacts.c.list_id,
    sqlite_where=contacts.c.list_id.is_not(None),
    postgresql_where=contacts.c.list_id.is_not(None),
)

carriers = sa.Table(
    "carriers",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),  # smpp | simulator
    sa.Column("url", sa.Text, nullable=False),  # without the password
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # active | removed
    sa.Column("cost", sa.Text),  # what the carrier takes for a segment, a decimal for people to compare
    sa.Column("reference_form", sa.Text),  # literal | hex_to_decimal | decimal_to_hex, once receipts have shown it
    sa.Column("unknown_after_s", sa.BigInteger, nullable=False, server_default=str(72 * 3600)),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

routes = sa.Table(
    "routes",
    metadata,
    _id(),
    sa.Column("prefix", sa.Text, nullable=False),  # E.164 digits, "" for everywhere
    sa.Column("carrier_id", BigId, sa.ForeignKey("carriers.id"), nullable=False, index=True),
    sa.Column("weight", sa.Integer, nullable=False, server_default="1"),
)

prices = sa.Table(
    "prices",
    metadata,
    _id(),
    sa.Column("prefix", sa.Text, nullable=False),
    sa.Column("currency", sa.Text),  # null: any
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id")),  # null: all
    sa.Column("carrier_id", BigId, sa.ForeignKey("carriers.id")),  # the carrier that brought it, and takes it away
    sa.Column("amount", sa.Text, nullable=False),  # a decimal of the currency for one segment: its scale is known with the currency
)

broadcasts = sa.Table(
    "broadcasts",
    metadata,
    _id(),
    sa.Column("public_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("campaign_id", BigId),
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("face", sa.Text, nullable=False),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # accepting accepted paused cancelling cancelled completed
    sa.Column("reason", sa.Text),
    sa.Column("sender", sa.Text),
    sa.Column("text", sa.Text),
    sa.Column("first_id", sa.BigInteger, nullable=False),
    sa.Column("last_id", sa.BigInteger, nullable=False),  # first_id - 1 where nothing was accepted
    sa.Column("rejected", sa.Integer, nullable=False, server_default="0"),
    sa.Column("open_chunks", sa.Integer, nullable=False, server_default="0"),  # 0 completes it
    sa.Column("not_before", sa.BigInteger),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("touched_at", sa.BigInteger, nullable=False),  # the last slice of an accept
    sa.Column("started_at", sa.BigInteger),  # the first mark
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("name", sa.Text),  # what its sender calls it
    sa.Column("refunds_failed", sa.Boolean, nullable=False, server_default=sa.false()),  # a failed receipt gives the charge back
    sa.Index("ix_broadcasts_organization_id_id", "organization_id", "id"),
    sa.Index("ix_broadcasts_first_id", "first_id"),
)
sa.Index(
    "ix_broadcasts_campaign_id_id",
    broadcasts.c.campaign_id,
    broadcasts.c.id,
    sqlite_where=broadcasts.c.campaign_id.is_not(None),
    postgresql_where=broadcasts.c.campaign_id.is_not(None),
)
sa.Index(
    "ix_broadcasts_accepting",
    broadcasts.c.touched_at,
    sqlite_where=broadcasts.c.state == "accepting",
    postgresql_where=broadcasts.c.state == "accepting",
)

sa.Index(
    "ix_broadcasts_scheduled",
    broadcasts.c.not_before,
    sqlite_where=sa.and_(broadcasts.c.state == "accepted", broadcasts.c.not_before.is_not(None)),
    postgresql_where=sa.and_(broadcasts.c.state == "accepted", broadcasts.c.not_before.is_not(None)),
)

sa.Index(
    "ix_broadcasts_open",
    broadcasts.c.expires_at,
    sqlite_where=broadcasts.c.state.in_(["accepted", "paused"]),
    postgresql_where=broadcasts.c.state.in_(["accepted", "paused"]),
)

sa.Index(
    "ix_broadcasts_cancelling",
    broadcasts.c.id,
    sqlite_where=broadcasts.c.state == "cancelling",
    postgresql_where=broadcasts.c.state == "cancelling",
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=False),
    sa.Column("broadcast_id", sa.BigInteger, nullable=False),
    sa.Column("organization_id", sa.BigInteger, nullable=False),
    sa.Column("recipient", sa.BigInteger, nullable=False),  # E.164 digits
    sa.Column("sender", sa.Text),
    sa.Column("text", sa.Text),  # null: the broadcast's
    sa.Column("encoding", sa.Text, nullable=False),  # gsm7 | ucs2
    sa.Column("segments", sa.SmallInteger, nullable=False),
    sa.Column("price_milli", sa.BigInteger, nullable=False),
    sa.Index("ix_messages_recipient_id", "recipient", "id"),
    comment="Never changed: prices and texts are fixed at accept.",
)

rejects = sa.Table(
    "rejects",
    metadata,
    sa.Column("broadcast_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=False),  # the id of its first message
    sa.Column("broadcast_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("organization_id", sa.BigInteger, nullable=False),
    sa.Column("carrier_id", sa.BigInteger, nullable=False),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    sa.Column("marked_id", sa.BigInteger, nullable=False),  # id - 1 at first; everything up to it was given to a bind
    sa.Column("last_id", sa.BigInteger, nullable=False),
    sa.Column("opens_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # waiting ready claimed done cancelled
    sa.Column("bind_id", sa.BigInteger),
    sa.Column("fence", sa.BigInteger),
    *(sa.Column(f"{state}_count", sa.Integer, nullable=False, server_default="0") for state in COUNTED),
)
for _state, _columns in {
    "waiting": (chunks.c.organization_id, chunks.c.carrier_id, chunks.c.lane, chunks.c.id),
    "ready": (chunks.c.carrier_id, chunks.c.lane, chunks.c.organization_id, chunks.c.id),
    "claimed": (chunks.c.bind_id, chunks.c.lane, chunks.c.id),
}.items():
    sa.Index(
        f"ix_chunks_{_state}",
        *_columns,
        sqlite_where=chunks.c.state == _state,
        postgresql_where=chunks.c.state == _state,
    )

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("message_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("chunk_id", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("rank", sa.SmallInteger, nullable=False),
    sa.Column("attempt", sa.SmallInteger, nullable=False),
    sa.Column("carrier_id", sa.BigInteger),
    sa.Column("carrier_reference", sa.Text),
    sa.Column("fence", sa.BigInteger),  # of the bind that marked a retry
    sa.Column("reason", sa.Text),
    sa.Column("charged_milli", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("sent_at", sa.BigInteger),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    comment="Written first with an outcome: a waiting message, or a first attempt on its way, has no row.",
)
sa.Index("ix_deliveries_reference", deliveries.c.carrier_id, deliveries.c.carrier_reference)
sa.Index(
    "ix_deliveries_retry",
    deliveries.c.carrier_id,
    deliveries.c.due_at,
    sqlite_where=deliveries.c.state == "retry",
    postgresql_where=deliveries.c.state == "retry",
)
sa.Index(
    "ix_deliveries_open",
    deliveries.c.updated_at,
    sqlite_where=deliveries.c.state.in_(["marked", "unknown"]),
    postgresql_where=deliveries.c.state.in_(["marked", "unknown"]),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("message_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("carrier_id", sa.BigInteger),
    sa.Column("carrier_reference", sa.Text),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("receipt", sa.Text),  # what a receipt said of this attempt after it was superseded
    sa.Column("ended_at", sa.BigInteger, nullable=False),
    sa.Index("ix_attempts_reference", "carrier_id", "carrier_reference"),
    comment="Attempts before the one in `deliveries`.",
)

parts = sa.Table(
    "parts",
    metadata,
    sa.Column("message_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("part", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("carrier_id", sa.BigInteger, nullable=False),
    sa.Column("carrier_reference", sa.Text),
    sa.Column("state", sa.Text, nullable=False),  # unknown sent refused undelivered delivered
    sa.Column("reason", sa.Text),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Index("ix_parts_reference", "carrier_id", "carrier_reference"),
    comment="The parts of messages that have more than one.",
)

orphans = sa.Table(
    "orphans",
    metadata,
    _id(),
    sa.Column("carrier_id", sa.BigInteger, nullable=False),
    sa.Column("carrier_reference", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("user_message_reference", sa.Integer, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Index("ix_orphans_carrier_id_carrier_reference", "carrier_id", "carrier_reference"),
    comment="Receipts that fit nothing yet.",
)

inbound = sa.Table(
    "inbound",
    metadata,
    _id(),
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
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("organization_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("recipient", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

binds = sa.Table(
    "binds",
    metadata,
    _id(),
    sa.Column("carrier_id", BigId, sa.ForeignKey("carriers.id"), nullable=False),
    sa.Column("slot", sa.SmallInteger, nullable=False),
    sa.Column("owner", sa.BigInteger),  # the process that holds it; null: nobody
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("lease_until", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False, server_default="closed"),  # connecting bound refused closed
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("since_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("carrier_id", "slot"),
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("broadcast_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("amount_milli", sa.BigInteger, nullable=False),
    sa.Column("charged_milli", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("released_milli", sa.BigInteger, nullable=False, server_default="0"),
)

ledger = sa.Table(
    "ledger",
    metadata,
    _id(),
    sa.Column("organization_id", sa.BigInteger, nullable=False),
    sa.Column("broadcast_id", sa.BigInteger, index=True),
    sa.Column("kind", sa.Text, nullable=False),  # top_up reserve charge release refund
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("ix_ledger_organization_id_id", "organization_id", "id"),
)

ledger_lines = sa.Table(
    "ledger_lines",
    metadata,
    sa.Column("ledger_id", BigId, sa.ForeignKey("ledger.id"), primary_key=True, autoincrement=False),
    sa.Column("account", sa.Text, primary_key=True),  # available held spent outside
    sa.Column("amount_milli", sa.BigInteger, nullable=False),
    comment="Append-only; the lines of an entry add up to 0.",
)
