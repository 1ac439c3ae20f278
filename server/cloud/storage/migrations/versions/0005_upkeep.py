"""Add leases, and the times and indexes that upkeep needs to find old revisions and chunks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIMES = (
    ("site", "looked_at"),
    ("revisions", "replaced_at"),
    ("chunks", "written_at"),
)
INDEXES = (
    ("ix_revisions_replaced_at", "revisions", "replaced_at"),
    ("ix_chunks_stored", "chunks", "stored"),
    ("ix_blobs_stored", "blobs", "stored"),
)


def upgrade() -> None:
    """Add them; existing revisions get their item's last write as the time of replacement."""
    op.create_table(
        "leases",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )
    for table, column in TIMES:
        op.add_column(table, sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("collections", sa.Column("sweep_at", sa.BigInteger()))
    for name, table, column in INDEXES:
        op.create_index(name, table, [column])
    deleted = sa.text("deleted")
    op.create_index(
        "ix_items_tombstones",
        "items",
        ["written_at"],
        sqlite_where=deleted,
        postgresql_where=deleted,
    )
    op.execute(
        "UPDATE revisions SET replaced_at ="
        " (SELECT written_at FROM items WHERE items.id = revisions.item)"
    )


def downgrade() -> None:
    """Drop the new indexes, columns and the table of leases."""
    op.drop_index("ix_items_tombstones")
    for name, _, _ in INDEXES:
        op.drop_index(name)
    op.drop_column("collections", "sweep_at")
    for table, column in TIMES:
        op.drop_column(table, column)
    op.drop_table("leases")
