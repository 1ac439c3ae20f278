"""Requests that stop something take turns by account, so that one account holds up no other.

They queue for the publisher's lease in the order of arrival. Without these turns a script that
halts in a loop would have every place in that queue.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

AT_ONCE = 2  # of an account: a cancel does not wait for the halt that it was sent after


@dataclass(slots=True)
class _Account:
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    requests: int = 0  # that have a turn or wait for one


class AccountTurns:
    """The turns of one loop."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    @contextlib.asynccontextmanager
    async def taken(self, name: str) -> AsyncIterator[None]:
        """Wait for a turn of the account `name`, and have it until the block ends."""
        account = self._accounts.setdefault(name, _Account())
        account.requests += 1
        try:
            async with account.turns:
                yield
        finally:
            account.requests -= 1
            if not account.requests:
                del self._accounts[name]
