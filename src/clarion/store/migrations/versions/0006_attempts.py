"""What happens to a message after an attempt: what carriers do with unknowns, who allows failover on receipt, how parts were cut."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns."""
    op.add_column("carriers", sa.Column("unknown_policy", sa.Text, nullable=False, server_default="close"))
    op.add_column("organizations", sa.Column("failover_undelivered", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("broadcasts", sa.Column("failover_undelivered", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("parts", sa.Column("shape", sa.Text))
