"""Who sends and over what: organizations with keys and templates, carriers with routes and prices, campaigns with contacts."""

import sqlalchemy as sa

from clarion.store.tables.base import BigId, metadata, row_id

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("routing", sa.Text, nullable=False, server_default="weight"),  # weight | cost
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
    row_id(),
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
    sa.Column("failover_undelivered", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_organizations_parent_id", "parent_id"),
)

keys = sa.Table(
    "keys",
    metadata,
    row_id(),
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
    row_id(),
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
    row_id(),
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
    row_id(),
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("face", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text, nullable=False),  # the client's own
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # processing active
    sa.Column("sender", sa.Text),
    sa.Column("agent_id", sa.Text),
    sa.Column("details", sa.Text, nullable=False, server_default="{}"),  # what else the client gave, as JSON
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("organization_id", "face", "external_id"),
)

contacts = sa.Table(
    "contacts",
    metadata,
    row_id(),
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
    row_id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),  # smpp | simulator
    sa.Column("url", sa.Text, nullable=False),  # without the password
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # active | removed
    sa.Column("cost", sa.Text),  # what the carrier takes for a segment, a decimal; with settings.routing = cost the cheapest goes first
    sa.Column("reference_form", sa.Text),  # literal | hex_to_decimal | decimal_to_hex, once receipts have shown it
    sa.Column("unknown_after_s", sa.BigInteger, nullable=False, server_default=str(72 * 3600)),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("senders", sa.Text),  # kinds, separated by blanks: names numbers short; null: any
    sa.Column("health", sa.Text, nullable=False, server_default="well"),  # well probing out
    sa.Column("health_reason", sa.Text, nullable=False, server_default=""),
    sa.Column("health_since_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("outages", sa.Integer, nullable=False, server_default="0"),  # in a row
    sa.Column("unknown_policy", sa.Text, nullable=False, server_default="close"),  # close | resend, after that time
)

carrier_senders = sa.Table(
    "carrier_senders",
    metadata,
    sa.Column("carrier_id", BigId, sa.ForeignKey("carriers.id"), primary_key=True, autoincrement=False),
    sa.Column("sender", sa.Text, primary_key=True),
    comment="What stood in for a sender before the carrier's URL said otherwise; empty: the carrier chose.",
)

routes = sa.Table(
    "routes",
    metadata,
    row_id(),
    sa.Column("prefix", sa.Text, nullable=False),  # E.164 digits, "" for everywhere
    sa.Column("carrier_id", BigId, sa.ForeignKey("carriers.id"), nullable=False, index=True),
    sa.Column("weight", sa.Integer, nullable=False, server_default="1"),  # 0: only while the others are out
)

prices = sa.Table(
    "prices",
    metadata,
    row_id(),
    sa.Column("prefix", sa.Text, nullable=False),
    sa.Column("currency", sa.Text),  # null: any
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id")),  # null: all
    sa.Column("carrier_id", BigId, sa.ForeignKey("carriers.id")),  # the carrier that brought it, and takes it away
    sa.Column("amount", sa.Text, nullable=False),  # a decimal of the currency for one segment: its scale is known with the currency
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
