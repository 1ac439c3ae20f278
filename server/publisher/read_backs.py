"""The read-backs that are under way: step 7 of publishing, beside everything else.

What is read back is public, and nothing takes it back. So nobody waits for an address that answers
slowly or never: neither who published, nor who halts a rollout next. A crash leaves a publication
that nobody has read back.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from server.core.errors import HeningError
from server.publisher.plan import Publication
from server.publisher.read_back import ReadBack

STEP = 7


class ReadBacks:
    """Reads publications back in tasks of their own; `alarm` is told what is not as it should be.

    As a context manager it waits at the end for those under way, so that a command can tell what
    they found; where the block failed they are stopped.
    """

    def __init__(
        self,
        read_back: ReadBack,
        alarm: Callable[[str], None],
        after_step: Callable[[int], None],
    ) -> None:
        self._read_back = read_back
        self._alarm = alarm
        self._after_step = after_step
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, publication: Publication) -> None:
        """Read back what is public now, and do not wait for it."""
        task = asyncio.create_task(self._look(publication))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def wait(self) -> None:
        """Wait until all that were begun have ended."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def stop(self) -> None:
        """End those that are under way."""
        for task in self._under_way:
            task.cancel()
        await self.wait()

    async def __aenter__(self) -> Self:
        """Give these read-backs."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Wait for what was begun, or after an error stop it."""
        await (self.wait() if kind is None else self.stop())

    async def _look(self, publication: Publication) -> None:
        try:
            await self._read_back(publication)
        except HeningError as error:
            self._alarm(str(error))
        except Exception as error:  # noqa: BLE001 - nobody waits for this task who could tell
            self._alarm(
                f"snapshot {publication.snapshot_version} is public and could not be read back:"
                f" {error!r}."
            )
        self._after_step(STEP)
