"""Accounts in the database: create them, find them by name, and replace their keys.

Looking up an unknown name runs the same statement and does the same work as for an existing one.

A sign-up code reserves names: only a person with the code knows a name of the form `PREFIX-CODE`.
A code has 80 random bits and is part of the name, so the name cannot be guessed. At login, a name
that ends in an unspent code gets the answer "sign up first". No other unknown name gets it, so a
login does not reveal which names exist.
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
"""Error code for an account that is being erased; the same as for one that does not exist."""
_SEALED = ("name", "salt", "login_key", "wrap")
_ACCOUNTS = cast("Table", Account.__table__)
_ADDED = bindparam("added", type_=BigInteger)
_SUM = _ACCOUNTS.c.used + _ADDED
# Freed bytes are counted even while the account is being erased.
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
    """An account's decrypted name, login key and wrapped keys."""

    id: str
    name: str
    salt: bytes
    login_key: bytes
    wrap: bytes
    public_key: bytes
    approves_devices: bool


@dataclass(frozen=True, slots=True)
class NewOwner:
    """The values that a client sends to sign up; only a hash of `address` is stored."""

    name: str
    address: str
    salt: bytes
    login_key: bytes
    wrap: bytes
    public_key: bytes


async def find_owner(db: AsyncSession, secrets: Secrets, name: str) -> Owner | None:
    """Return the account of a name or email address, or None if there is none.

    Raises CloudError if the pepper was rotated and this process still has the former one.
    """
    known = secrets.name_hash(name)
    is_known = or_(Account.name_hash == known, Account.address_hash == known)
    return await _find(db, secrets, is_known)


async def load_owner(db: AsyncSession, secrets: Secrets, account: str) -> Owner | None:
    """Return the account with this id, or None; raises CloudError as `find_owner` does."""
    return await _find(db, secrets, Account.id == account)


async def hold_pepper(db: AsyncSession, secrets: Secrets) -> None:
    """Prevent a pepper rotation until the transaction ends; raises CloudError if one happened."""
    mark = await db.scalar(select(Site.pepper).with_for_update(read=True))
    if mark != secrets.mark:
        raise refuse_pepper()


async def add_owner(
    db: AsyncSession, secrets: Secrets, owner: NewOwner, account: str, quota: int, now: int
) -> None:
    """Create an account with the id `account`; raises CloudError if the name is taken."""
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
    """Replace the login key, and the account's keys wrapped with the new password."""
    await db.execute(
        update(Account)
        .where(Account.id == account)
        .values(
            login_key=secrets.seal(login_key, TABLE, account, "login_key"),
            wrap=secrets.seal(wrap, TABLE, account, "wrap"),
        )
    )


def check_fits(quota: int, used: int, added: int, *, is_closed: bool) -> None:
    """Raise CloudError unless an account can store `added` more bytes."""
    if is_closed:
        raise refuse_closed()
    if quota and added > 0 and used + added > quota:
        raise CloudError(
            507,
            "quota_exceeded",
            f"{used} of {quota} bytes are in use, and this needs {added} more.",
        )


async def lock_owner(db: AsyncSession, account: str) -> None:
    """Lock an account until the transaction ends; raises CloudError if it is being erased."""
    connection = await db.connection()
    if await connection.scalar(_LOCK, {"account": account}) is not False:
        raise refuse_closed()


def refuse_closed() -> CloudError:
    """Return the refusal of any request to an account that is being erased."""
    return CloudError(401, CLOSED, "this device is not logged in; log in again.")


async def charge(db: AsyncSession, account: str, added: int) -> None:
    """Add `added` bytes to a locked account's usage; negative if bytes were removed.

    Raises CloudError if that exceeds the quota.
    """
    connection = await db.connection()
    counted = await connection.execute(_COUNT, {"account": account, "added": added})
    if not counted.all():
        query = select(Account.quota, Account.used, Account.is_closed)
        row = (await db.execute(query.where(Account.id == account))).one()
        check_fits(row.quota, row.used, added, is_closed=row.is_closed)


def refuse_suspended() -> CloudError:
    """Return the refusal to a suspended account, which can still export and erase its data."""
    return CloudError(
        403,
        "account_suspended",
        "the operator has suspended this account; you can still export and erase it.",
    )


def refuse_pepper() -> CloudError:
    """Return the refusal of requests while this process has a pepper that was rotated out."""
    return CloudError(
        503, "pepper_rotated", "the operator has to restart this server; try again later."
    )


async def _find(db: AsyncSession, secrets: Secrets, condition: ColumnElement[bool]) -> Owner | None:
    # The site's row always exists, so that unknown names return a row, too.
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
    """Store a code with which one account can be created before `expires_at`."""
    await db.execute(insert(Code).values(code_sha256=_hash(code), expires_at=expires_at))


async def is_reserved(db: AsyncSession, name: str, now: int) -> bool:
    """Return whether a name ends in a code that is neither spent nor expired."""
    query = select(Code.expires_at).where(Code.code_sha256 == _hash(_code_of(name)))
    return (await db.scalar(query) or 0) > now


async def spend_code(db: AsyncSession, name: str, now: int) -> None:
    """Spend the code at the end of a name; raises CloudError if there is no valid one."""
    query = delete(Code).where(Code.code_sha256 == _hash(_code_of(name)), Code.expires_at > now)
    if not (await db.execute(query.returning(Code.expires_at))).all():
        raise CloudError(
            403,
            "signup_closed",
            "signing up needs a code from the operator: choose a name of the form NAME-CODE.",
        )


def _code_of(name: str) -> str:
    prefix, _, code = name.rpartition("-")
    return code if prefix else ""


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
