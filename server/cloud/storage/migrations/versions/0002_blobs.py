"""Add the tables of vaults, their objects, and program tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ACCOUNT = sa.String(26)


def upgrade() -> None:
    """Create the tables of the blobs door."""
    op.create_table(
        "app_tokens",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("account", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("reads_only", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "vaults",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("account", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.UniqueConstraint("account", "name", name="uq_vaults_account_name"),
    )
    op.create_table(
        "blobs",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("vault", sa.Integer(), sa.ForeignKey("vaults.id"), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.String(160), nullable=False),
        sa.UniqueConstraint("vault", "type", "name", name="uq_blobs_vault_type_name"),
    )


def downgrade() -> None:
    """Drop the tables of the blobs door."""
    for table in ("blobs", "vaults", "app_tokens"):
        op.drop_table(table)
