"""A transaction that meets what another one has just made, and is run again."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

Made = TypeVar("Made")


async def run_again(transaction: Callable[[], Awaitable[Made]]) -> Made:
    """Run a transaction that looks for what it makes, and once more where another was faster.

    On PostgreSQL two that make the same both see that it is not there, and the second to commit
    breaks a rule of the table. The second time it sees what is there, and refuses in its own words.
    """
    try:
        return await transaction()
    except IntegrityError:
        return await transaction()
