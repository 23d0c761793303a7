"""How far the messages of a finished broadcast have been deleted because of their age."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEPT = sa.text("finished_at IS NOT NULL AND (retired_id IS NULL OR retired_id < last_id)")


def upgrade() -> None:
    """Add the column and the index of what is left to delete."""
    op.add_column("broadcasts", sa.Column("retired_id", sa.BigInteger))
    op.create_index("ix_broadcasts_kept", "broadcasts", ["finished_at"], sqlite_where=KEPT, postgresql_where=KEPT)
