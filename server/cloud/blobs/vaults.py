"""Addresses of the blobs door, and what an account keeps there, in the database."""

import re
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import charge, lock_owner
from server.cloud.errors import CloudError, not_found
from server.cloud.storage.models import Blob, Vault

LOCKS: Final = "locks"
TYPES: Final = ("data", "keys", LOCKS, "snapshots", "index")
CONFIG: Final = "config"
"""The one object of a vault without a type; its name is no hash."""
SMALL_TYPES: Final = frozenset({"keys", LOCKS})
"""Types whose bodies hold JSON in clear, or a few bytes."""
_VAULT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Address:
    """An object `name` of a `type` in an account's `vault`; the config has the type `config`."""

    vault: str
    type: str
    name: str

    @property
    def is_config(self) -> bool:
        """Whether this is the vault's config."""
        return self.type == CONFIG


def is_vault(text: str) -> bool:
    """Answer whether a text can be a vault's name."""
    return _VAULT.fullmatch(text) is not None


def decode_vault(text: str) -> str:
    """Return a vault's name; raises CloudError for a malformed one."""
    if not is_vault(text):
        raise CloudError(
            400, "bad_vault", "a vault is 1 to 32 of a-z, 0-9 and -, and does not begin with -."
        )
    return text


def decode_type(text: str) -> str:
    """Return a type; raises CloudError for one that there is not."""
    if text not in TYPES:
        raise not_found("type")
    return text


def decode_address(vault: str, kind: str, name: str) -> Address:
    """Return an address; raises CloudError for one that is malformed."""
    if _NAME.fullmatch(name) is None:
        raise CloudError(400, "bad_name", "a name is the sha256 of its body, in hexadecimal.")
    return Address(decode_vault(vault), decode_type(kind), name)


def config_of(vault: str) -> Address:
    """Return the address of a vault's config."""
    return Address(decode_vault(vault), CONFIG, CONFIG)


_VAULTS, _BLOBS = (cast("Table", each.__table__) for each in (Vault, Blob))
_LOOK = (
    select(_BLOBS.c.id.label("blob"))
    .select_from(_VAULTS)
    .outerjoin(
        _BLOBS,
        (_BLOBS.c.vault == _VAULTS.c.id)
        & (_BLOBS.c.type == bindparam("type"))
        & (_BLOBS.c.name == bindparam("name")),
    )
    .where(
        # A number alone does not do: that of a vault that is gone may be another account's by now.
        _VAULTS.c.id == bindparam("vault"),
        _VAULTS.c.account == bindparam("account"),
        _VAULTS.c.name == bindparam("vault_name"),
    )
)
_ADD = insert(_BLOBS)


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that is there: the body's length in bytes, and its name in the store."""

    length: int
    stored: str


async def find_vault(db: AsyncSession, account: str, name: str) -> int:
    """Return the number of an account's vault; raises CloudError where there is none."""
    query = select(Vault.id).where(Vault.account == account, Vault.name == name)
    number = await db.scalar(query)
    if number is None:
        raise not_found("vault")
    return number


async def add_vault(db: AsyncSession, account: str, name: str) -> None:
    """Make a vault, unless it is there."""
    await lock_owner(db, account)
    query = select(Vault.id).where(Vault.account == account, Vault.name == name)
    if await db.scalar(query) is None:
        await db.execute(insert(Vault).values(account=account, name=name))


async def find_blob(db: AsyncSession, account: str, address: Address) -> Kept:
    """Return what is kept at an address; raises CloudError where nothing is."""
    query = (
        select(Blob.length, Blob.stored)
        .join(Vault, Vault.id == Blob.vault)
        .where(Vault.account == account, Vault.name == address.vault)
        .where(Blob.type == address.type, Blob.name == address.name)
    )
    row = (await db.execute(query)).one_or_none()
    if row is None:
        raise not_found("blob")
    return Kept(*row)


async def list_blobs(db: AsyncSession, vault: int, kind: str) -> list[tuple[str, int]]:
    """Return names and lengths of a vault's objects of one type."""
    query = select(Blob.name, Blob.length).where(Blob.vault == vault, Blob.type == kind)
    return [(name, length) for name, length in await db.execute(query.order_by(Blob.name))]


async def add_blob(
    db: AsyncSession, account: str, vault: int, address: Address, kept: Kept
) -> bool:
    """Note that a body is in the store now; False where the object is there already.

    Raises CloudError where the vault is gone meanwhile, or above the quota.
    """
    await lock_owner(db, account)
    connection = await db.connection()
    place = {"vault": vault, "type": address.type, "name": address.name}
    of_account = {"account": account, "vault_name": address.vault}
    found = (await connection.execute(_LOOK, {**place, **of_account})).one_or_none()
    if found is None:
        raise not_found("vault")
    if found.blob is not None:
        return False
    await charge(db, account, kept.length)
    await connection.execute(_ADD, {**place, "length": kept.length, "stored": kept.stored})
    return True


async def remove_blob(db: AsyncSession, account: str, address: Address) -> str:
    """Forget an object, and return the name of its body; raises CloudError."""
    await lock_owner(db, account)
    kept = await find_blob(db, account, address)
    await db.execute(delete(Blob).where(Blob.stored == kept.stored))
    await charge(db, account, -kept.length)
    return kept.stored


async def remove_vault(db: AsyncSession, account: str, name: str) -> list[str]:
    """Forget a vault with all that is in it, and return the names of its bodies."""
    await lock_owner(db, account)
    vault = await find_vault(db, account, name)
    stored = list(await db.scalars(select(Blob.stored).where(Blob.vault == vault)))
    total = await db.scalar(select(func.sum(Blob.length)).where(Blob.vault == vault))
    await db.execute(delete(Blob).where(Blob.vault == vault))
    await db.execute(delete(Vault).where(Vault.id == vault))
    await charge(db, account, -int(total or 0))
    return stored
