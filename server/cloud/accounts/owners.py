"""Accounts in the database: made, found by name, and given another password."""

from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError
from server.cloud.secrets import Secrets
from server.cloud.storage.law_models import Quarantine
from server.cloud.storage.models import Account

WEEK = 7 * 24 * 60 * 60

TABLE = "accounts"


@dataclass(frozen=True, slots=True)
class Owner:
    """An account with what its name, login and keys need, opened."""

    id: str
    name: str
    salt: bytes
    login_key: bytes
    wrap: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True)
class NewOwner:
    """What a client sends to make an account; `address` is kept as a hash alone."""

    name: str
    address: str
    salt: bytes
    login_key: bytes
    wrap: bytes
    public_key: bytes


async def find_owner(db: AsyncSession, secrets: Secrets, name: str) -> Owner | None:
    """Return the account of a name or an address, None where there is none."""
    known = secrets.name_hash(name)
    query = select(Account).where((Account.name_hash == known) | (Account.address_hash == known))
    return _open(secrets, await db.scalar(query))


async def load_owner(db: AsyncSession, secrets: Secrets, account: str) -> Owner | None:
    """Return the account of an id, None where there is none."""
    return _open(secrets, await db.get(Account, account))


async def add_owner(
    db: AsyncSession, secrets: Secrets, owner: NewOwner, account: str, quota: int, now: int
) -> None:
    """Make an account of the id `account`; raises CloudError where the name is taken."""
    if await find_owner(db, secrets, owner.name) is not None:
        raise CloudError(409, "user_exists", "this name is taken; choose another one.")
    quarantined = select(Quarantine.until).where(
        Quarantine.name_hash == secrets.quarantine_hash(owner.name)
    )
    if (await db.scalar(quarantined) or 0) > now:
        raise CloudError(409, "user_exists", "this name is taken; choose another one.")
    address = secrets.name_hash(owner.address) if owner.address else None
    if address is not None and await find_owner(db, secrets, owner.address) is not None:
        address = None
    sealed = {
        column: secrets.seal(value, TABLE, account, column)
        for column, value in (
            ("name", owner.name.encode()),
            ("salt", owner.salt),
            ("login_key", owner.login_key),
            ("wrap", owner.wrap),
        )
    }
    await db.execute(
        insert(Account).values(
            id=account,
            name_hash=secrets.name_hash(owner.name),
            address_hash=address,
            public_key=owner.public_key,
            changes=0,
            quota=quota,
            used=0,
            created_at=now,
            used_week=now // WEEK,
            **sealed,
        )
    )


async def change_keys(
    db: AsyncSession, secrets: Secrets, account: str, login_key: bytes, wrap: bytes
) -> None:
    """Store another login key, and the account's keys encrypted by the new password."""
    await db.execute(
        update(Account)
        .where(Account.id == account)
        .values(
            login_key=secrets.seal(login_key, TABLE, account, "login_key"),
            wrap=secrets.seal(wrap, TABLE, account, "wrap"),
        )
    )


async def check_room(db: AsyncSession, account: str, added: int) -> None:
    """Raise CloudError unless `added` bytes more are within the account's quota."""
    query = select(Account.quota, Account.used, Account.is_closed).where(Account.id == account)
    row = (await db.execute(query)).one_or_none()
    if row is None or row.is_closed:
        raise refuse_closed()
    if row.quota and added > 0 and row.used + added > row.quota:
        raise CloudError(
            507,
            "quota_exceeded",
            f"{row.used} of {row.quota} bytes are in use, and this needs {added} more.",
        )


async def lock_owner(db: AsyncSession, account: str) -> None:
    """Lock an account until the transaction ends; raises CloudError where it is being erased."""
    query = select(Account.is_closed).where(Account.id == account).with_for_update()
    if await db.scalar(query) is not False:
        raise refuse_closed()


def refuse_closed() -> CloudError:
    """Return the refusal of everything to an account that is being erased."""
    return CloudError(401, "invalid_token", "this device is not logged in; log in again.")


async def charge(db: AsyncSession, account: str, added: int) -> None:
    """Count `added` bytes of a locked account, fewer than 0 for what was removed.

    Raises CloudError above its quota.
    """
    await check_room(db, account, added)
    await db.execute(update(Account).where(Account.id == account).values(used=Account.used + added))


def _open(secrets: Secrets, row: Account | None) -> Owner | None:
    if row is None:
        return None

    def opened(column: str) -> bytes:
        return secrets.open(getattr(row, column), TABLE, row.id, column)

    return Owner(
        id=row.id,
        name=opened("name").decode(),
        salt=opened("salt"),
        login_key=opened("login_key"),
        wrap=opened("wrap"),
        public_key=row.public_key,
    )
