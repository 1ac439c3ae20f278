"""Alembic migrations; `server.storage.database.migrate` runs them."""
