"""Keeps a node's copy of the shared tree up to date, and its last good pointers.

`good/` holds the timestamp and the checkpoint of the last snapshot that was verified here. A node
that starts while the store is unreachable, or after its content was replaced, serves that snapshot.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from server.core.errors import HeningError
from server.device.snapshot import EMPTY, FILE_LIMIT, POINTERS, Snapshot
from server.snapshot_watch import SnapshotWatch
from server.storage.bounded import read_bounded
from server.storage.durable import write_durable
from server.storage.layout import StateFolder
from server.storage.s3_tree import S3Tree

LOOK_SECONDS = 0.25  # between two reads of the store's timestamp
STALE_SECONDS = 30.0  # without an answer of the store, until this node is not ready
AGAIN_SECONDS = 60.0  # between two attempts to fetch files again that could not be verified
CLEAN_SECONDS = 3600.0  # between two removals of superseded files from the copy
log = structlog.get_logger()


class TreeMetrics:
    """The age of the copy, which `age` returns in seconds, and the number of failed reads."""

    def __init__(self, registry: CollectorRegistry, age: Callable[[], float]) -> None:
        self.failures = Counter(
            "hening_tree_failures", "Looks at the shared tree that failed", registry=registry
        )
        Gauge(
            "hening_tree_age_seconds",
            "Seconds since the shared tree was last read and could be served",
            registry=registry,
        ).set_function(age)


class TreeWatch:
    """Follows `tree` for `watch`; `monotonic` counts seconds.

    If it `cleans`, it removes superseded and unsigned files from the copy once an hour. A node that
    publishes does not clean: draining removes superseded files from its copy and from the store, an
    hour later.
    """

    def __init__(
        self,
        folder: StateFolder,
        tree: S3Tree,
        watch: SnapshotWatch,
        registry: CollectorRegistry,
        monotonic: Callable[[], float],
        *,
        cleans: bool,
    ) -> None:
        self._folder = folder
        self._tree = tree
        self._watch = watch
        self._monotonic = monotonic
        self._cleans = cleans
        self._begun = self._cleaned = self._again = monotonic()
        self._confirmed: float | None = None
        self._complaint = ""
        self._left_out: list[str] = []
        self._metrics = TreeMetrics(registry, self._age)
        watch.subscribe(self.keep_good)

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(LOOK_SECONDS)

    async def refresh(self) -> None:
        """Fetch new files; if that fails, the copy stays, and the failure is logged once."""
        try:
            await asyncio.to_thread(self._tree.follow)
        except (HeningError, OSError) as error:
            self._metrics.failures.inc()
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("the shared tree cannot be read; the copy is served", error=str(error))
            return
        if self._complaint:
            self._complaint = ""
            log.info("the shared tree is read again")
        if self._left_out != (left_out := self._tree.too_large()):
            self._left_out = left_out
            for sentence in left_out:
                log.error("an object of the shared tree is left out", error=sentence)
        if self._watch.complaint:
            await self._fetch_again()
            return
        # A node that was not ready becomes ready when it serves what it has fetched.
        if not self.reasons() or await asyncio.to_thread(self._watch.is_current):
            self._confirmed = self._monotonic()

    async def _fetch_again(self) -> None:
        """Fetch again, at most once a minute, the files that could not be verified.

        The store may have been repaired. A publisher's copy stays, because its files may be newer
        than those that are served.
        """
        if not self._cleans or self._monotonic() - self._again < AGAIN_SECONDS:
            return
        self._again = self._monotonic()
        served = [path[1:] for path in self._watch.current.documents]
        with contextlib.suppress(HeningError, OSError):  # the next `refresh` logs it
            await asyncio.to_thread(self._tree.fetch_again, served)

    async def keep_good(self, snapshot: Snapshot) -> None:
        """Store a verified snapshot's pointers, and remove superseded files once an hour."""
        await asyncio.to_thread(self._keep, snapshot)

    async def restore_good(self) -> None:
        """If the copy cannot be served, restore the last good pointers, if there are any."""
        if self._watch.current is EMPTY and self._folder.good.is_dir():
            log.warning("the copy of the shared tree cannot be served; its last good one is")
            await asyncio.to_thread(self._restore)
            await self._watch.poll()

    def reasons(self) -> Sequence[str]:
        """Return why this node must get no requests; empty if it may. Callable from any thread."""
        complaint = self._complaint or self._watch.complaint
        complaint = complaint or "no read has finished, or the content is not served yet."
        if self._confirmed is None:
            return [f"the shared tree was not read since the start: {complaint}"]
        if self._age() <= STALE_SECONDS:
            return []
        return [f"the shared tree could not be served for {self._age():.0f} s: {complaint}"]

    def _age(self) -> float:
        since = self._begun if self._confirmed is None else self._confirmed
        return self._monotonic() - since

    def _keep(self, snapshot: Snapshot) -> None:
        for path in POINTERS:
            write_durable(self._folder.good / path[1:], snapshot.documents[path].identity.body)
        if self._cleans and self._monotonic() - self._cleaned >= CLEAN_SECONDS:
            self._cleaned = self._monotonic()
            self._tree.keep_only(path[1:] for path in snapshot.documents)

    def _restore(self) -> None:
        for path in reversed(POINTERS):  # the timestamp comes last
            data = read_bounded(self._folder.good / path[1:], FILE_LIMIT)
            write_durable(self._folder.public / path[1:], data)
