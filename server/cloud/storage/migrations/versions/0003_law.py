"""Add policies, consents, erasures, sign-up codes, links to the owner's page, and breaches."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ACCOUNT = sa.String(26)
NEW = (
    ("consent_version", sa.Integer(), "0"),
    ("used_week", sa.Integer(), "0"),
    ("is_closed", sa.Boolean(), sa.false()),
)


def upgrade() -> None:
    """Add the new columns and tables."""
    for name, kind, default in NEW:
        column = sa.Column(name, kind, nullable=False, server_default=default)
        op.add_column("accounts", column)
    op.execute("UPDATE accounts SET used_week = created_at / 604800")
    op.create_table(
        "policies",
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "policy_texts",
        sa.Column("version", sa.Integer(), sa.ForeignKey("policies.version"), primary_key=True),
        sa.Column("locale", sa.String(16), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("account", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("is_given", sa.Boolean(), nullable=False),
        sa.Column("statement", sa.LargeBinary()),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("account", ACCOUNT, unique=True),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("begins_at", sa.BigInteger(), nullable=False, index=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("bodies", sa.BigInteger()),
        sa.Column("items", sa.BigInteger()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("root", sa.LargeBinary(32)),
        sa.Column("forget_at", sa.BigInteger()),
        sa.Column("receipt", sa.LargeBinary()),
    )
    op.create_table(
        "quarantine",
        sa.Column("name_hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "codes",
        sa.Column("code_sha256", sa.LargeBinary(32), primary_key=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "owner_links",
        sa.Column("token_sha256", sa.LargeBinary(32), primary_key=True),
        sa.Column("account", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "breaches",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger()),
        sa.Column("text", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Drop the new tables and columns."""
    for table in (
        *("breaches", "owner_links", "codes", "quarantine", "erasures", "consents"),
        *("policy_texts", "policies"),
    ):
        op.drop_table(table)
    for name, _, _ in NEW:
        op.drop_column("accounts", name)
