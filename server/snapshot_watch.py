"""Replaces the snapshot that phones are served from, after each publication."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from server.device.integrity import SnapshotVerifier, Trusted, find_altered, leave_out
from server.device.snapshot import EMPTY, Snapshot, load_snapshot
from server.publisher.expiry.metrics import SWAPPED
from server.storage.blobs import BlobReader
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.tree import identify_timestamp

WATCH_SECONDS = 0.1  # between two checks for a publication by another process
NAMED = 20  # altered files in one log entry
log = structlog.get_logger()


class SnapshotWatch:
    """Holds the snapshot that is served, and replaces it when the public timestamp changes.

    `show` receives each new snapshot, and serves it. `complaint` says why the last check could not
    load or show the published files; it is empty if it could.
    """

    def __init__(
        self,
        folder: StateFolder,
        blobs: BlobReader,
        show: Callable[[Snapshot], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._blobs = blobs
        self._shows = [show]
        self._seen: tuple[int, int] | None = None
        self._left_out: frozenset[str] = frozenset()
        self._trusted: Trusted | None = None
        self._woken = asyncio.Event()
        self.current: Snapshot = EMPTY
        self.complaint = ""

    async def run(self) -> None:
        """Watch until cancelled; an incomplete tree is logged, and the last good one is served."""
        while True:
            await self.poll()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._woken.wait()
            self._woken.clear()

    def subscribe(self, show: Callable[[Snapshot], Awaitable[None]]) -> None:
        """Pass each later snapshot to `show`, too, after the functions added earlier."""
        self._shows.append(show)

    def is_current(self) -> bool:
        """Return whether the current content of the public folder was loaded and shown."""
        return identify_timestamp(self._folder.public) == self._seen

    def after_step(self, step: int) -> None:
        """Check immediately after this process has published."""
        if step == SWAPPED:
            self._woken.set()

    async def poll(self) -> None:
        """Load the snapshot if the public timestamp was replaced since the last time."""
        seen = await asyncio.to_thread(identify_timestamp, self._folder.public)
        if seen == self._seen:
            return
        try:
            self.current = await asyncio.to_thread(self._load, seen)
            for show in self._shows:
                await show(self.current)
        except Exception as error:  # noqa: BLE001 - no error may stop serving phones
            if str(error) != self.complaint:  # logged once, not in each poll
                self.complaint = str(error)
                log.error(
                    "the public tree is not whole; the last good one is served", error=str(error)
                )
            return
        self.complaint = ""
        self._seen = seen
        log.info("serving", version=self.current.version)

    def _load(self, seen: tuple[int, int] | None) -> Snapshot:
        if seen is None:
            raise StorageError("the public timestamp is gone.")
        verifier = SnapshotVerifier(self._folder.trusted_root.read_bytes(), self._trusted)
        snapshot = load_snapshot(self._folder.public, self._blobs, self.current, verifier)
        if snapshot is EMPTY:  # the timestamp disappeared after the check
            raise StorageError("the public timestamp is gone.")
        self._trusted = verifier.finish(snapshot.documents)
        altered = find_altered(snapshot, self.current, self._trusted)
        if altered - self._left_out:  # logged once, not after each publication
            log.error(
                "files that are not as they were signed are not served",
                error=f"restore {len(altered)} from a copy: {', '.join(sorted(altered)[:NAMED])}.",
            )
        self._left_out |= altered
        return leave_out(snapshot, altered)
