"""Codes with which accounts are made: a name of `PREFIX-CODE` is reserved for who has the code.

A code has 80 random bits and is a part of the name, so that nobody takes the name by guessing. A
name that ends in a code is answered like one whose account is to be made; no other name is, so that
names that people choose tell nothing.
"""

import base64
import hashlib
from collections.abc import Callable

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError
from server.cloud.storage.law_models import Code

CODE_BYTES = 10


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
