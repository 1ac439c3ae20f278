"""Accounts in the database: made, found by name, and given another password.

A name that is not there costs the same statement and the same work as one that is.

Codes reserve names: `PREFIX-CODE` is for the person who has the code. A code has 80 random bits and
is a part of the name, so that the name cannot be taken by guessing. A name that ends in a code is
answered like one whose account is to be made; no other name is, so that names that people choose
tell nothing.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Table,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError
from server.cloud.secrets import Secrets
from server.cloud.storage.law_models import Code, Quarantine
from server.cloud.storage.models import Account, Site

WEEK = 7 * 24 * 60 * 60

TABLE = "accounts"
CLOSED = "invalid_token"
"""What an account that is being erased is told: the same as one that is not there."""
_SEALED = ("name", "salt", "login_key", "wrap")
_ACCOUNTS = cast("Table", Account.__table__)
_ADDED = bindparam("added", type_=BigInteger)
_SUM = _ACCOUNTS.c.used + _ADDED
# What an account frees is counted even while it is being erased.
_HAS_ROOM = (_ADDED <= 0) | (
    _ACCOUNTS.c.is_closed.is_(False) & ((_ACCOUNTS.c.quota == 0) | (_ACCOUNTS.c.quota >= _SUM))
)
_COUNT = (
    update(_ACCOUNTS)
    .where(_ACCOUNTS.c.id == bindparam("account"), _HAS_ROOM)
    .values(used=_SUM)
    .returning(_ACCOUNTS.c.id)
)
_LOCK = (
    select(_ACCOUNTS.c.is_closed).where(_ACCOUNTS.c.id == bindparam("account")).with_for_update()
)
CODE_BYTES = 10


@dataclass(frozen=True, slots=True)
class Owner:
    """An account with what its name, login and keys need, opened."""

    id: str
    name: str
    salt: bytes
    login_key: bytes
    wrap: bytes
    public_key: bytes
    approves_devices: bool


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
    """Return the account of a name or an address, None where there is none.

    Raises CloudError where the pepper has changed.
    """
    known = secrets.name_hash(name)
    is_known = or_(Account.name_hash == known, Account.address_hash == known)
    return await _find(db, secrets, is_known)


async def load_owner(db: AsyncSession, secrets: Secrets, account: str) -> Owner | None:
    """Return the account of an id, as `find_owner` does."""
    return await _find(db, secrets, Account.id == account)


async def hold_pepper(db: AsyncSession, secrets: Secrets) -> None:
    """Let the pepper stay until the transaction ends; raises CloudError where it has changed."""
    mark = await db.scalar(select(Site.pepper).with_for_update(read=True))
    if mark != secrets.mark:
        raise refuse_pepper()


async def add_owner(
    db: AsyncSession, secrets: Secrets, owner: NewOwner, account: str, quota: int, now: int
) -> None:
    """Make an account of the id `account`; raises CloudError where the name is taken."""
    await hold_pepper(db, secrets)
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


def check_fits(quota: int, used: int, added: int, *, is_closed: bool) -> None:
    """Raise CloudError unless an account takes `added` bytes more."""
    if is_closed:
        raise refuse_closed()
    if quota and added > 0 and used + added > quota:
        raise CloudError(
            507,
            "quota_exceeded",
            f"{used} of {quota} bytes are in use, and this needs {added} more.",
        )


async def lock_owner(db: AsyncSession, account: str) -> None:
    """Lock an account until the transaction ends; raises CloudError where it is being erased."""
    connection = await db.connection()
    if await connection.scalar(_LOCK, {"account": account}) is not False:
        raise refuse_closed()


def refuse_closed() -> CloudError:
    """Return the refusal of everything to an account that is being erased."""
    return CloudError(401, CLOSED, "this device is not logged in; log in again.")


async def charge(db: AsyncSession, account: str, added: int) -> None:
    """Count `added` bytes of a locked account, fewer than 0 for what was removed.

    Raises CloudError above its quota.
    """
    connection = await db.connection()
    counted = await connection.execute(_COUNT, {"account": account, "added": added})
    if not counted.all():
        query = select(Account.quota, Account.used, Account.is_closed)
        row = (await db.execute(query.where(Account.id == account))).one()
        check_fits(row.quota, row.used, added, is_closed=row.is_closed)


def refuse_suspended() -> CloudError:
    """Return the refusal of all but the law's rights to an account that is suspended."""
    return CloudError(
        403,
        "account_suspended",
        "the operator has suspended this account; you can still export and erase it.",
    )


def refuse_pepper() -> CloudError:
    """Return the refusal of who would be looked for under a pepper that counts no more."""
    return CloudError(
        503, "pepper_rotated", "this server has to be restarted by its operator; try later."
    )


async def _find(db: AsyncSession, secrets: Secrets, condition: ColumnElement[bool]) -> Owner | None:
    # The row of the site is always there, so that there is a row for a name that is not.
    query = (
        select(
            Site.pepper,
            Account.id,
            Account.public_key,
            Account.approves_devices,
            *(getattr(Account, column) for column in _SEALED),
        )
        .select_from(Site)
        .outerjoin(Account, condition)
    )
    row = (await db.execute(query)).one()
    if row.pepper != secrets.mark:
        raise refuse_pepper()
    opened = [
        secrets.open_decoy()
        if row.id is None
        else secrets.open(getattr(row, column), TABLE, row.id, column)
        for column in _SEALED
    ]
    if row.id is None:
        return None
    name, salt, login_key, wrap = opened
    return Owner(
        id=row.id,
        name=name.decode(),
        salt=salt,
        login_key=login_key,
        wrap=wrap,
        public_key=row.public_key,
        approves_devices=row.approves_devices,
    )


def draw_code(entropy: Callable[[int], bytes]) -> str:
    """Return a new code: 16 letters and digits."""
    return base64.b32encode(entropy(CODE_BYTES)).decode().lower()


async def add_code(db: AsyncSession, code: str, expires_at: int) -> None:
    """Let one account be made with a code, until `expires_at`."""
    await db.execute(insert(Code).values(code_sha256=_hash(code), expires_at=expires_at))


async def is_reserved(db: AsyncSession, name: str, now: int) -> bool:
    """Answer whether a name ends in a code that is not spent."""
    query = select(Code.expires_at).where(Code.code_sha256 == _hash(_code_of(name)))
    return (await db.scalar(query) or 0) > now


async def spend_code(db: AsyncSession, name: str, now: int) -> None:
    """Spend the code that a name ends in; raises CloudError where there is none."""
    query = delete(Code).where(Code.code_sha256 == _hash(_code_of(name)), Code.expires_at > now)
    if not (await db.execute(query.returning(Code.expires_at))).all():
        raise CloudError(
            403,
            "signup_closed",
            "accounts are made with a code of the operator's: choose a name that ends in - and it.",
        )


def _code_of(name: str) -> str:
    prefix, _, code = name.rpartition("-")
    return code if prefix else ""


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
