"""Runs migrations on the connection that `server.storage.database.migrate` passes."""

from alembic import context

from server.storage.models import Account

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Account.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
