"""Add recovery words, device approval, suspension of accounts, and the pepper's mark."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the new columns and the table of recovery words."""
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "recoveries",
        sa.Column("account", sa.String(26), sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("wrap", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Drop the new columns and the table of recovery words."""
    op.drop_table("recoveries")
    for table, columns in _added().items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column.name)


def _added() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "site": (sa.Column("pepper", sa.LargeBinary(8)),),
        "accounts": (
            sa.Column("approves_devices", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("suspended", sa.Boolean(), nullable=False, server_default=sa.false()),
        ),
        "sessions": (
            sa.Column("is_pending", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("key", sa.LargeBinary(32)),
            sa.Column("label", sa.LargeBinary()),
        ),
    }
