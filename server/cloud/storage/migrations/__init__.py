"""Alembic migrations of the cloud's database; `server.storage.database.migrate` runs them."""
