"""Alembic migrations of the cloud's database; `server.storage.migration.migrate` runs them."""
