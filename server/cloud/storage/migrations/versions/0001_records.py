"""Add the tables of accounts and of the Etebase API's records."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UID = sa.String(64)
ACCOUNT = sa.String(26)


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "site",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("generation", sa.LargeBinary(4), nullable=False),
    )
    op.create_table(
        "accounts",
        sa.Column("id", ACCOUNT, primary_key=True),
        sa.Column("name_hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("address_hash", sa.LargeBinary(32), unique=True),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("login_key", sa.LargeBinary(), nullable=False),
        sa.Column("wrap", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("quota", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("account", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "collections",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("uid", UID, nullable=False, unique=True),
        sa.Column("owner", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Integer(), primary_key=True),
        _collection(index=True),
        sa.Column("account", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("access", sa.Integer(), nullable=False),
        sa.Column("type", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("account", "collection", name="uq_members_account_collection"),
    )
    op.create_index("ix_members_account_change", "members", ["account", "change"])
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), primary_key=True),
        _collection(),
        sa.Column("uid", UID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary()),
        *_content(),
        sa.UniqueConstraint("collection", "uid", name="uq_items_collection_uid"),
    )
    op.create_index("ix_items_collection_sequence", "items", ["collection", "sequence"])
    op.create_table(
        "revisions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("item", sa.Integer(), sa.ForeignKey("items.id"), nullable=False),
        *_content(),
        sa.UniqueConstraint("item", "etag", name="uq_revisions_item_etag"),
    )
    op.create_table(
        "chunks",
        sa.Column("id", sa.Integer(), primary_key=True),
        _collection(),
        sa.Column("uid", UID, nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.String(160)),
        sa.Column("body", sa.LargeBinary()),
        sa.UniqueConstraint("collection", "uid", name="uq_chunks_collection_uid"),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("uid", UID, nullable=False, unique=True),
        _collection(),
        sa.Column("inviting", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("invited", ACCOUNT, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("access", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("collection", "invited", name="uq_invitations_collection_invited"),
    )


def downgrade() -> None:
    """Drop the first tables."""
    for table in (
        *("invitations", "chunks", "revisions", "items", "members", "collections", "sessions"),
        *("accounts", "site"),
    ):
        op.drop_table(table)


def _collection(*, index: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey("collections.id")
    return sa.Column("collection", sa.Integer(), key, nullable=False, index=index)


def _content() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("etag", UID, nullable=False),
        sa.Column("meta", sa.LargeBinary(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("chunks", sa.LargeBinary(), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
    )
