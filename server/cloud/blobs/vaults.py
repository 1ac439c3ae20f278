"""Vaults: object addresses, authentication of programs, and objects in the database."""

import hmac
import re
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import Table, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import (
    charge,
    check_fits,
    lock_owner,
    refuse_pepper,
    refuse_suspended,
)
from server.cloud.accounts.sessions import Door, hash_token
from server.cloud.errors import CloudError, not_found
from server.cloud.secrets import Secrets
from server.cloud.storage.models import Account, AppToken, Blob, Site, Vault

LOCKS: Final = "locks"
TYPES: Final = ("data", "keys", LOCKS, "snapshots", "index")
CONFIG: Final = "config"
"""The only object of a vault without a type; its name is not a hash."""
SMALL_TYPES: Final = frozenset({"keys", LOCKS})
"""Types whose bodies are unencrypted JSON or only a few bytes."""
_VAULT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Address:
    """An object's address within an account; the config has the type and name `config`."""

    vault: str
    type: str
    name: str

    @property
    def is_config(self) -> bool:
        """Whether this is the vault's config."""
        return self.type == CONFIG


def is_vault(text: str) -> bool:
    """Return whether a text is a valid vault name."""
    return _VAULT.fullmatch(text) is not None


def decode_vault(text: str) -> str:
    """Return a vault's name; raises CloudError if it is malformed."""
    if not is_vault(text):
        raise CloudError(
            400, "bad_vault", "a vault's name has 1 to 32 of a-z, 0-9 and -, and no leading -."
        )
    return text


def decode_type(text: str) -> str:
    """Return an object type; raises CloudError if it is unknown."""
    if text not in TYPES:
        raise not_found("type")
    return text


def decode_address(vault: str, kind: str, name: str) -> Address:
    """Return an object's address; raises CloudError if a part is malformed."""
    if _NAME.fullmatch(name) is None:
        raise CloudError(400, "bad_name", "a name is the sha256 of its body, in hexadecimal.")
    return Address(decode_vault(vault), decode_type(kind), name)


def config_of(vault: str) -> Address:
    """Return the address of a vault's config."""
    return Address(decode_vault(vault), CONFIG, CONFIG)


# Prebuilt statements: building one takes longer than SQLite takes to execute it.
_SITE, _ACCOUNTS, _TOKENS, _VAULTS, _BLOBS = (
    cast("Table", each.__table__) for each in (Site, Account, AppToken, Vault, Blob)
)
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
        # The id alone is not enough: a removed vault's id may now belong to another account.
        _VAULTS.c.id == bindparam("vault"),
        _VAULTS.c.account == bindparam("account"),
        _VAULTS.c.name == bindparam("vault_name"),
    )
)
_ADD = insert(_BLOBS)
_FIND = (
    select(
        _SITE.c.pepper,
        _ACCOUNTS.c.id,
        _ACCOUNTS.c.name_hash,
        _ACCOUNTS.c.suspended,
        _ACCOUNTS.c.consent_version,
        _ACCOUNTS.c.quota,
        _ACCOUNTS.c.used,
        _ACCOUNTS.c.is_closed,
        _TOKENS.c.reads_only,
        _VAULTS.c.id.label("vault"),
    )
    .select_from(_SITE)
    .join(
        _TOKENS,
        (_TOKENS.c.token_sha256 == bindparam("token")) & (_TOKENS.c.door == Door.BLOBS.value),
    )
    .join(_ACCOUNTS, _ACCOUNTS.c.id == _TOKENS.c.account)
    .outerjoin(
        _VAULTS,
        (_VAULTS.c.account == _ACCOUNTS.c.id) & (_VAULTS.c.name == bindparam("vault")),
    )
)


@dataclass(frozen=True, slots=True)
class VaultBlob:
    """A stored object: the body's length in bytes, and its name in the store."""

    length: int
    stored: str


async def find_vault(db: AsyncSession, account: str, name: str) -> int:
    """Return the id of an account's vault; raises CloudError if there is none of this name."""
    query = select(Vault.id).where(Vault.account == account, Vault.name == name)
    number = await db.scalar(query)
    if number is None:
        raise not_found("vault")
    return number


async def add_vault(db: AsyncSession, account: str, name: str) -> None:
    """Create a vault unless it exists."""
    await lock_owner(db, account)
    query = select(Vault.id).where(Vault.account == account, Vault.name == name)
    if await db.scalar(query) is None:
        await db.execute(insert(Vault).values(account=account, name=name))


async def find_blob(db: AsyncSession, account: str, address: Address) -> VaultBlob:
    """Return the object at an address; raises CloudError if there is none."""
    query = (
        select(Blob.length, Blob.stored)
        .join(Vault, Vault.id == Blob.vault)
        .where(Vault.account == account, Vault.name == address.vault)
        .where(Blob.type == address.type, Blob.name == address.name)
    )
    row = (await db.execute(query)).one_or_none()
    if row is None:
        raise not_found("blob")
    return VaultBlob(*row)


async def list_blobs(db: AsyncSession, vault: int, kind: str) -> list[tuple[str, int]]:
    """Return the names and lengths of a vault's objects of one type."""
    query = select(Blob.name, Blob.length).where(Blob.vault == vault, Blob.type == kind)
    return [(name, length) for name, length in await db.execute(query.order_by(Blob.name))]


async def add_blob(
    db: AsyncSession, account: str, vault: int, address: Address, blob: VaultBlob
) -> bool:
    """Add the row of a stored body; returns False if the object exists already.

    Raises CloudError if the vault was removed meanwhile or the quota is exceeded.
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
    await charge(db, account, blob.length)
    await connection.execute(_ADD, {**place, "length": blob.length, "stored": blob.stored})
    return True


async def remove_blob(db: AsyncSession, account: str, address: Address) -> str:
    """Remove an object's row and return its body's name; raises CloudError if there is none."""
    await lock_owner(db, account)
    blob = await find_blob(db, account, address)
    await db.execute(delete(Blob).where(Blob.stored == blob.stored))
    await charge(db, account, -blob.length)
    return blob.stored


async def remove_vault(db: AsyncSession, account: str, name: str) -> list[str]:
    """Remove the rows of a vault and its objects, and return the names of their bodies."""
    await lock_owner(db, account)
    vault = await find_vault(db, account, name)
    query = select(Blob.stored, Blob.length).where(Blob.vault == vault)
    blobs = (await db.execute(query)).all()
    await db.execute(delete(Blob).where(Blob.vault == vault))
    await db.execute(delete(Vault).where(Vault.id == vault))
    await charge(db, account, -sum(blob.length for blob in blobs))
    return [blob.stored for blob in blobs]


@dataclass(frozen=True, slots=True)
class Visitor:
    """A program with a valid token: its account, and whether it may write.

    `consent_version` is the policy version that the owner agreed to. `quota` and `used` are bytes.
    `found_vault` is the id of the vault in the request, None if it does not exist.
    """

    account: str
    reads_only: bool
    consent_version: int
    quota: int
    used: int
    is_closed: bool
    found_vault: int | None

    @property
    def vault(self) -> int:
        """The id of the vault in the request; raises CloudError if it does not exist."""
        if self.found_vault is None:
            raise not_found("vault")
        return self.found_vault

    def check_may_write(self) -> None:
        """Raise CloudError for a read-only token."""
        if self.reads_only:
            raise CloudError(403, "reads_only", "this token is read-only; create another one.")

    def check_room(self, added: int) -> None:
        """Raise CloudError unless the quota allows `added` more bytes."""
        check_fits(self.quota, self.used, added, is_closed=self.is_closed)


async def find_visitor(
    db: AsyncSession, secrets: Secrets, name: str, token: str, vault: str
) -> Visitor:
    """Authenticate a program by name and token; raises the same CloudError if either is wrong.

    Raises another CloudError if the account is suspended or the pepper was rotated.
    """
    connection = await db.connection()
    parameters = {"token": hash_token(token), "vault": vault if is_vault(vault) else ""}
    row = (await connection.execute(_FIND, parameters)).one_or_none()
    if row is not None and row.pepper != secrets.mark:
        raise refuse_pepper()
    if row is None or not hmac.compare_digest(row.name_hash, secrets.name_hash(name)):
        raise CloudError(401, "invalid_token", "the name or the token is wrong.")
    if row.suspended:
        raise refuse_suspended()
    return Visitor(
        row.id,
        row.reads_only,
        row.consent_version,
        row.quota,
        row.used,
        row.is_closed,
        row.vault,
    )
