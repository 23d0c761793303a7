"""The senders that a carrier's URL gave before: a STOP to one of them still means whoever wrote from it (decision 24)."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "carrier_senders",
        sa.Column("carrier_id", BIG_ID, sa.ForeignKey("carriers.id"), primary_key=True, autoincrement=False),
        sa.Column("sender", sa.Text, primary_key=True),
        comment="What stood in for a sender before the carrier's URL said otherwise; empty: the carrier chose.",
    )
