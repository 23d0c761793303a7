"""Indexes that speak of nothing that a receipt changes, so that PostgreSQL moves a delivery on its page alone (decision 21)."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column, and the indexes anew; on PostgreSQL leave room on the pages that come."""
    op.drop_index("ix_deliveries_retry", "deliveries")
    op.drop_index("ix_deliveries_open", "deliveries")
    op.add_column("deliveries", sa.Column("doubt_at", sa.BigInteger))
    op.execute("UPDATE deliveries SET doubt_at = updated_at WHERE state IN ('marked', 'unknown')")
    for name, columns in {"retry": ["carrier_id", "due_at"], "doubt": ["doubt_at"]}.items():
        known = sa.text(f"{columns[-1]} IS NOT NULL")
        op.create_index(f"ix_deliveries_{name}", "deliveries", columns, sqlite_where=known, postgresql_where=known)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE deliveries SET (fillfactor = 50)")
