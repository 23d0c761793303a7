"""The wallets, the holds of broadcasts, and the ledger that both are sums of."""

import sqlalchemy as sa

from clarion.store.tables.base import BigId, metadata, row_id

wallets = sa.Table(
    "wallets",
    metadata,
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), primary_key=True, autoincrement=False),
    sa.Column("available_milli", sa.BigInteger, nullable=False, server_default="0"),
    comment="The sum of the ledger's lines on `available`, kept so that a reserve is one conditional update.",
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
    row_id(),
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
