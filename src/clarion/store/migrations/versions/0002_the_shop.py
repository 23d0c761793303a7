"""The shop around the faces: senders, keywords, templates, campaigns with contacts, request counts; keys bound to networks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite makes a rowid only of the exact word INTEGER."""


def upgrade() -> None:
    """Make the tables and columns."""
    op.add_column("organizations", sa.Column("registered_senders", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("organizations", sa.Column("rate_limited", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("organizations", sa.Column("parent_id", sa.BigInteger))
    op.add_column("organizations", sa.Column("contact_email", sa.Text))
    op.add_column("keys", sa.Column("networks", sa.Text))
    op.add_column("broadcasts", sa.Column("name", sa.Text))
    op.add_column("broadcasts", sa.Column("refunds_failed", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "senders",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False, server_default="transactional"),
        sa.Column("network", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_senders_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_senders"),
        sa.UniqueConstraint("organization_id", "sender", name="uq_senders_organization_id_sender"),
    )
    op.create_table(
        "keywords",
        sa.Column("organization_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("keyword", sa.Text, autoincrement=False, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_keywords_organization_id"),
        sa.PrimaryKeyConstraint("organization_id", "keyword", name="pk_keywords"),
    )
    op.create_table(
        "templates",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_templates_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_templates"),
        sa.UniqueConstraint("organization_id", "name", "version", name="uq_templates_organization_id_name_version"),
        comment="A version is never changed: another one is added. The newest approved one is sent.",
    )
    op.create_table(
        "request_counts",
        sa.Column("organization_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("counter", sa.Text, autoincrement=False, nullable=False),
        sa.Column("span", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "counter", "span", name="pk_request_counts"),
        comment="Requests by organization, counter and span, where several processes answer HTTP.",
    )
    op.create_table(
        "campaigns",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("face", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("sender", sa.Text),
        sa.Column("agent_id", sa.Text),
        sa.Column("details", sa.Text, nullable=False, server_default="{}"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_campaigns_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
        sa.UniqueConstraint("organization_id", "face", "external_id", name="uq_campaigns_organization_id_face_external_id"),
    )
    op.create_table(
        "contacts",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("campaign_id", BIG_ID),
        sa.Column("list_id", sa.Text),
        sa.Column("recipient", sa.BigInteger, nullable=False),
        sa.Column("fields", sa.Text, nullable=False, server_default="{}"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_contacts_organization_id"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_contacts_campaign_id"),
        sa.PrimaryKeyConstraint("id", name="pk_contacts"),
        sa.UniqueConstraint("campaign_id", "recipient", name="uq_contacts_campaign_id_recipient"),
    )
    op.create_index("ix_request_counts_span", "request_counts", ["span"])
    op.create_index("ix_contacts_organization_id_recipient", "contacts", ["organization_id", "recipient"])
    op.create_index(
        "ix_contacts_organization_id_list_id",
        "contacts",
        ["organization_id", "list_id"],
        sqlite_where=sa.text("list_id IS NOT NULL"),
        postgresql_where=sa.text("list_id IS NOT NULL"),
    )
    op.create_index("ix_organizations_parent_id", "organizations", ["parent_id"])
    op.create_index(
        "ix_broadcasts_campaign_id_id",
        "broadcasts",
        ["campaign_id", "id"],
        sqlite_where=sa.text("campaign_id IS NOT NULL"),
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    )
    op.create_index(
        "ix_broadcasts_cancelling",
        "broadcasts",
        ["id"],
        sqlite_where=sa.text("state = 'cancelling'"),
        postgresql_where=sa.text("state = 'cancelling'"),
    )
    op.create_index(
        "ix_broadcasts_scheduled",
        "broadcasts",
        ["not_before"],
        sqlite_where=sa.text("state = 'accepted' AND not_before IS NOT NULL"),
        postgresql_where=sa.text("state = 'accepted' AND not_before IS NOT NULL"),
    )
