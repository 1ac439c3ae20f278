"""Step 7 of publishing: published files are read back and compared.

A difference raises an alarm. Nothing is rolled back, because the timestamp that phones see is
valid. Commands read from disk if no server runs; `read_back_http` sends the requests of a phone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from server.core.errors import HeningError
from server.core.metadata import decode_timestamp
from server.core.names import metadata_name
from server.device.snapshot import SUPERSEDED
from server.publisher.errors import PublishError
from server.publisher.plan import Publication
from server.publisher.verify import RoleVersion
from server.storage.bounded import read_bounded
from server.storage.tree import read_role

STEP = 7
LIMIT = 5_000_000  # bytes of a metadata file
ReadBack = Callable[[Publication], Awaitable[None]]


class DiskReadBack:
    """Reads back from the public folder, for commands without a running server."""

    def __init__(self, public: Path) -> None:
        self._public = public

    async def __call__(self, publication: Publication) -> None:
        """Raise PublishError unless every file is on disk as it was signed, or superseded."""
        await asyncio.to_thread(self._check, publication)

    def _check(self, publication: Publication) -> None:
        for file in publication.files:
            name = metadata_name(file.role, file.version)
            path = self._public / "metadata" / name
            is_there = path.is_file() and read_bounded(path, LIMIT) == file.data
            if not is_there and not is_superseded(self._public, file):
                raise PublishError(f"{name} on disk is not what was published.")
        newest = read_role(self._public, "timestamp", 0)
        if newest != publication.timestamp and version_of(newest) <= version_of(
            publication.timestamp
        ):
            raise PublishError("timestamp.json on disk is not what was published.")


class ReadBacks:
    """Reads each publication back in a task of its own; `alarm` receives the errors.

    As a context manager it waits at the end for running tasks, so that a command can report their
    errors. If the block fails, the tasks are cancelled.
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
        """Start to read a publication back, without waiting."""
        task = asyncio.create_task(self._look(publication))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def wait(self) -> None:
        """Wait until all read-backs have ended."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def stop(self) -> None:
        """Cancel the running read-backs and wait for their end."""
        for task in self._under_way:
            task.cancel()
        await self.wait()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Wait for the running read-backs; cancel them after an error."""
        await (self.wait() if kind is None else self.stop())

    async def _look(self, publication: Publication) -> None:
        try:
            await self._read_back(publication)
        except HeningError as error:
            self._alarm(str(error))
        except Exception as error:  # noqa: BLE001 - no caller awaits this task
            self._alarm(
                f"snapshot {publication.snapshot_version} is public and could not be read back:"
                f" {error!r}."
            )
        self._after_step(STEP)


def version_of(timestamp: bytes) -> int:
    """Return the version of a timestamp. Raises FormatError if it is malformed."""
    return decode_timestamp(timestamp).signed.version


def is_superseded(public: Path, file: RoleVersion) -> bool:
    """Answer whether the version may be gone because enough newer ones exist."""
    if file.role == "root":  # phones ask for every root
        return False
    versions = (public / "metadata").glob(f"[0-9]*.{file.role}.json")
    newest = max((int(path.name.partition(".")[0]) for path in versions), default=0)
    return file.version < newest - SUPERSEDED
