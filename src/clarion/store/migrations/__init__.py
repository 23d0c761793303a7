"""The schema's history; Alembic runs it, `clarion.store.migrate` starts it."""
