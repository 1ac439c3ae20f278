"""Downloads of packages per day."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of downloads."""
    op.create_table(
        "package_downloads",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("begun", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Drop the table of downloads."""
    op.drop_table("package_downloads")
