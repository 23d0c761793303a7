"""Several carriers: how those of one prefix share, which senders each takes, and whether it is well."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns."""
    op.add_column("settings", sa.Column("routing", sa.Text, nullable=False, server_default="weight"))
    op.add_column("carriers", sa.Column("senders", sa.Text))
    op.add_column("carriers", sa.Column("health", sa.Text, nullable=False, server_default="well"))
    op.add_column("carriers", sa.Column("health_reason", sa.Text, nullable=False, server_default=""))
    op.add_column("carriers", sa.Column("health_since_at", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("carriers", sa.Column("outages", sa.Integer, nullable=False, server_default="0"))
    op.add_column("binds", sa.Column("trouble", sa.Text, nullable=False, server_default=""))
