"""What all tables share: their metadata, and how a row id is written for both engines."""

import sqlalchemy as sa

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


def row_id() -> sa.Column[int]:
    """A primary key that the engine counts."""
    return sa.Column("id", BigId, primary_key=True, autoincrement=True)
