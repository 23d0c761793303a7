"""The pace of a broadcast, the request that it came with, and where on the wire its messages went."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite makes a rowid only of the exact word INTEGER."""

PACED = "state = 'accepted' AND pace IS NOT NULL"


def upgrade() -> None:
    """Make the tables and columns."""
    op.add_column("broadcasts", sa.Column("pace", sa.Integer))
    op.add_column("broadcasts", sa.Column("paced_until", sa.BigInteger))
    op.add_column("broadcasts", sa.Column("request_id", sa.Text))
    op.add_column("chunks", sa.Column("open_id", sa.BigInteger))
    op.create_table(
        "submits",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("first_id", sa.BigInteger, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.SmallInteger, nullable=False),
        sa.Column("carrier_id", sa.BigInteger, nullable=False),
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("connection", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("parts", sa.SmallInteger, nullable=False),
        sa.Column("marked_at", sa.BigInteger, nullable=False),
        sa.Column("submitted_at", sa.BigInteger, nullable=False),
        sa.Column("until_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_submits"),
        comment="Which messages went out where and when, by ranges, for whoever follows one.",
    )
    op.create_index("ix_submits_first_id", "submits", ["first_id"])
    op.create_index("ix_broadcasts_paced", "broadcasts", ["id"], sqlite_where=sa.text(PACED), postgresql_where=sa.text(PACED))
