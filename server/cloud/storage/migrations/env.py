"""Run the migrations on the connection that `server.storage.database.migrate` provides."""

from alembic import context

from server.cloud.storage import law_models

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=law_models.PolicyRow.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
