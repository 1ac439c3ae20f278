"""Records numbers of downloads, for each package and day, in multiples of 20.

A recorded number never shows a single phone: fewer than 20 downloads are not written, and the time
of a write shows only that the 20th download came. The remainder stays in memory, and is lost when
the process ends.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from server.http.counts import Counts
from server.storage.database import Sessions, run_again
from server.storage.models import PackageDownloads

STEP: Final = 20
EVERY_SECONDS: Final = 60.0
DAY: Final = 86_400


def plan_growth(counted: Mapping[str, int], recorded: Mapping[str, int]) -> dict[str, int]:
    """Return what to record now, by package: the largest multiple of 20 not recorded yet."""
    growth = {
        sha256: (number - recorded.get(sha256, 0)) // STEP * STEP
        for sha256, number in counted.items()
    }
    return {sha256: number for sha256, number in growth.items() if number}


@dataclass(eq=False)
class DownloadRecorder:
    """Writes numbers of downloads from `counts` to the database; `clock` returns epoch seconds."""

    sessions: Sessions
    counts: Counts
    clock: Callable[[], int]
    alarm: Callable[[str], None]
    _begun: Counter[str] = field(default_factory=Counter, init=False)
    _finished: Counter[str] = field(default_factory=Counter, init=False)

    async def run(self) -> None:
        """Record every minute until cancelled, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await self._try_to_record()
        finally:
            await self._try_to_record()

    async def _try_to_record(self) -> None:
        """Record; numbers that could not be written are written the next time."""
        try:
            await self.record()
        except SQLAlchemyError as error:
            reason = str(error).partition("\n")[0]
            self.alarm(f"numbers of downloads could not be written and are tried again: {reason}")

    async def record(self) -> None:
        """Record the packages with 20 or more new downloads."""
        begun = plan_growth(self.counts.begun, self._begun)
        finished = plan_growth(self.counts.finished, self._finished)
        if not begun and not finished:
            return
        day = self.clock() // DAY

        async def write() -> None:
            async with self.sessions.begin() as session:
                for sha256 in sorted({*begun, *finished}):
                    row = await session.get(
                        PackageDownloads, (sha256, day), with_for_update=True
                    ) or PackageDownloads(sha256=sha256, day=day, begun=0, finished=0)
                    row.begun += begun.get(sha256, 0)
                    row.finished += finished.get(sha256, 0)
                    session.add(row)

        await run_again(write)
        self._begun.update(begun)
        self._finished.update(finished)
