"""One process over one state folder: device plane, control plane, publisher, refresh schedule."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime
from pathlib import Path

import structlog

from server.device.listener import listening
from server.device.plane import DevicePlane, Metrics
from server.device.snapshot import EMPTY, Snapshot, load_snapshot
from server.health import serving_health
from server.instruments import SWAPPED, Instruments
from server.publisher.incoming import list_ignored
from server.publisher.lives import Alarm
from server.publisher.online_keys import load_online_keys
from server.publisher.publish_metrics import PublishMetrics
from server.publisher.publisher import Publisher
from server.publisher.read_back import DiskReadBack, HttpReadBack, ReadBack
from server.publisher.steady_clock import SteadyClock
from server.publisher.watchman import Watchman
from server.release.api.operation import Services
from server.release.api.serving import serving
from server.release.rollouts.rollouts import Rollouts
from server.release.uploads.keeping import Keeping
from server.release.webhooks.courier import Courier
from server.release.webhooks.expiry import tell_expiring
from server.release.webhooks.noticer import Noticer
from server.release.webhooks.sender import Sender
from server.settings import Settings
from server.storage.blobs import BlobReader, BlobStore
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.room import Room
from server.storage.s3_blobs import S3Blobs
from server.storage.s3_place import decode_place, load_secret
from server.upkeep import Upkeep

WATCH_SECONDS = 0.1  # between two looks for a publication by another process
TICK_SECONDS = 0.1  # between two looks for bundles
DRAIN_SECONDS = 3600.0  # between two removals of superseded role files
RETRY_SECONDS = 0.5  # after a look that failed
Clock = Callable[[], datetime]
log = structlog.get_logger()


class SnapshotWatch:
    """Holds the snapshot that is served, and replaces it when the public timestamp changes."""

    def __init__(self, folder: StateFolder, blobs: BlobReader) -> None:
        self._folder = folder
        self._blobs = blobs
        self._seen: tuple[int, int] | None = None
        self._complaint = ""
        self._woken = asyncio.Event()
        self.current: Snapshot = EMPTY

    async def run(self) -> None:
        """Watch for ever. A tree that is not whole is reported, and the last good one served on."""
        while True:
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._woken.wait()
            self._woken.clear()

    def after_step(self, step: int) -> None:
        """Look at once when this process has published."""
        if step == SWAPPED:
            self._woken.set()

    async def look(self) -> None:
        """Load the snapshot if the public timestamp is another file than last time."""
        seen = await asyncio.to_thread(_identity, self._folder.public)
        if seen == self._seen:
            return
        try:
            self.current = await asyncio.to_thread(self._load, seen)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, phones are served on
            if str(error) != self._complaint:  # said once, not five times a second
                self._complaint = str(error)
                log.error(
                    "the public tree is not whole; the last good one is served", error=str(error)
                )
            return
        self._complaint = ""
        self._seen = seen
        log.info("serving", version=self.current.version)

    def _load(self, seen: tuple[int, int] | None) -> Snapshot:
        if seen is None:
            raise StorageError("the public timestamp is gone.")
        return load_snapshot(self._folder.public, self._blobs, self.current)


@contextlib.asynccontextmanager
async def open_publisher(
    folder: StateFolder,
    clock: Clock,
    read_back: ReadBack,
    alarm: Callable[[str], None],
    blobs: BlobStore | None = None,
    after_step: Callable[[int], None] = lambda _step: None,
) -> AsyncIterator[Publisher]:
    """Give a publisher on `folder`, its database migrated and open.

    Keys that are missing, damaged or readable by others are refused here and not hours later.
    """
    await asyncio.to_thread(load_online_keys, folder.keys)
    async with open_database(folder.database) as sessions:
        yield Publisher(folder, sessions, clock, read_back, alarm, after_step, blobs=blobs)


@contextlib.asynccontextmanager
async def open_rollouts(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    entropy: Callable[[int], bytes],
    read_back: ReadBack,
    alarm: Callable[[str], None],
) -> AsyncIterator[Rollouts]:
    """Give the rollouts of `folder` to a command, with a publisher of their own."""
    await asyncio.to_thread(load_online_keys, folder.keys)
    async with open_database(folder.database) as sessions:
        publisher = Publisher(folder, sessions, clock, read_back, alarm)
        approval = settings.approval_channels
        yield Rollouts(folder, sessions, publisher, clock, entropy, approval, alarm)


@contextlib.asynccontextmanager
async def running(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    *,
    entropy: Callable[[int], bytes] | None = None,
    announce_api: Callable[[int], None] = lambda _port: None,
) -> AsyncIterator[int]:
    """Repair, serve and publish until the block ends; gives the port that phones may ask.

    Where the settings have an `api_port` the control plane listens, too, which needs `entropy`;
    `announce_api` is told its port. Webhooks are told of events where there is `entropy`.
    """
    blobs = await asyncio.to_thread(open_blobs, folder, settings, clock)
    watch = SnapshotWatch(folder, blobs)
    monotonic = asyncio.get_running_loop().time
    tools = Instruments(clock, monotonic, watch.after_step)
    steady = SteadyClock(clock, monotonic, tools.notice_jump)

    def epoch() -> int:
        return int(clock().timestamp())

    plane = DevicePlane(lambda: watch.current, blobs, Metrics(tools.registry), settings.gate)
    async with contextlib.AsyncExitStack() as stack:
        # The last release is served before anything is repaired: phones do not wait for that.
        await watch.look()
        try:
            port = await stack.enter_async_context(listening(plane, settings.host, settings.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise StorageError(
                f"port {settings.port} is in use: choose another with --port."
            ) from error
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = settings.public_url or f"http://{name}:{port}"
        await asyncio.to_thread(load_online_keys, folder.keys)
        sessions = await stack.enter_async_context(open_database(folder.database))
        publisher = Publisher(
            folder,
            sessions,
            steady,
            HttpReadBack(url),
            tools.alarm,
            tools.after_step,
            blobs=blobs,
            room=Room(settings.blob_quota, settings.keep_free),
        )

        def tell(alarm: Alarm) -> Awaitable[None]:
            return tell_expiring(sessions, alarm, epoch())

        watchman = Watchman(folder, sessions, steady, tools.metrics, tools.say, tell)
        upkeep = Upkeep(watchman, lambda: watch.current is not EMPTY, monotonic)
        if settings.metrics_port:
            health = serving_health(settings.metrics_port, tools.registry, upkeep.reasons)
            stack.enter_context(health)
        wanted = asyncio.Event()
        rollouts = Rollouts(
            folder,
            sessions,
            publisher,
            clock,
            entropy or _no_entropy,
            settings.approval_channels,
            tools.alarm,
        )
        works: list[Callable[[], Coroutine[None, None, None]]] = [
            watch.run,
            lambda: _publish_for_ever(
                publisher, rollouts, folder.incoming, tools, wanted, upkeep.renewed
            ),
            upkeep.run,
        ]
        if entropy is not None:
            sender = Sender(private=settings.webhook_private)
            works += [
                Noticer(folder.public, sessions, epoch).run,
                Courier(sessions, sender, epoch, entropy, tools.alarm).run,
            ]
        begun: list[asyncio.Task[None]] = []
        stack.push_async_callback(_cancel_all, begun)
        log.info("listening", host=settings.host, port=port)
        if settings.api_port is not None:
            if entropy is None:
                raise TypeError("the control plane needs randomness")
            services = Services(
                folder,
                sessions,
                publisher,
                clock,
                settings,
                entropy,
                wake=wanted.set,
                rollouts=rollouts,
            )
            await services.uploads.tidy()
            await services.submissions.tidy()
            works.append(Keeping(services.uploads, tools.alarm).run)
            # Entered last, it ends first: handlers under way still have publisher and database.
            api_port = await stack.enter_async_context(serving(services, tools.registry))
            log.info("the control plane listens", host=settings.api_host, port=api_port)
            announce_api(api_port)
        # Nothing is begun before every setting was found good, so that nothing is cut off then.
        begun += [asyncio.create_task(work()) for work in works]
        yield port


def open_blobs(folder: StateFolder, settings: Settings, clock: Clock) -> BlobStore:
    """Return the store that the settings name; raises FormatError for what names none."""
    if not settings.blobs_url:
        return LocalBlobs(folder.blobs)
    secret = settings.s3_secret or (
        load_secret(Path(settings.s3_secret_file)) if settings.s3_secret_file else ""
    )
    place = decode_place(
        settings.blobs_url, settings.s3_endpoint, settings.s3_region, settings.s3_key_id, secret
    )
    return S3Blobs(place, clock)


def disk_read_back(folder: StateFolder, public_url: str) -> ReadBack:
    """Return step 7 for a command that publishes: over `public_url` where one is given."""
    return HttpReadBack(public_url) if public_url else DiskReadBack(folder.public)


async def _publish_for_ever(
    publisher: Publisher,
    rollouts: Rollouts,
    incoming: Path,
    tools: Instruments,
    wanted: asyncio.Event,
    renewed: asyncio.Event,
) -> None:
    while True:
        try:
            completed = await publisher.repair()
            if completed is not None:
                log.info("completed what was interrupted", snapshot=completed)
            break
        except Exception as error:  # noqa: BLE001 - a bug must not end publishing in silence
            tools.fail(error)
            await asyncio.sleep(RETRY_SECONDS)
    ignored: set[str] = set()
    draining = _Draining()
    while True:
        # Renewal comes first and alone: no bundle may let the timestamp run out.
        works: list[Callable[[], Awaitable[None]]] = [
            lambda: _renew(publisher),
            lambda: _publish(publisher, tools.metrics),
            lambda: _carry_out_due(rollouts),
            lambda: _name_ignored(incoming, ignored),
            lambda: draining.look(publisher),
        ]
        wait = TICK_SECONDS
        for work in works:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - as above
                tools.fail(error)
                wait = RETRY_SECONDS
        renewed.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wanted.wait(), wait)
        wanted.clear()


async def _publish(publisher: Publisher, metrics: PublishMetrics) -> None:
    for result in await publisher.process_incoming():
        if result.status == "refused":
            metrics.refused()
        log.info(
            result.status,
            submission=result.id[:16],
            reason=result.reason,
            snapshot=result.snapshot,
        )


async def _carry_out_due(rollouts: Rollouts) -> None:
    for change in await rollouts.run_due():
        log.info(change.state, change=change.id, reason=change.reason, snapshot=change.snapshot)


class _Draining:
    """Removes superseded role files once an hour."""

    def __init__(self) -> None:
        self._at: float | None = None

    async def look(self, publisher: Publisher) -> None:
        """Remove what may go, unless that was done within the hour."""
        now = asyncio.get_running_loop().time()
        if self._at is None or now - self._at >= DRAIN_SECONDS:
            self._at = now
            removed = await publisher.drain()
            if removed:
                log.info("superseded role files were removed", removed=removed)


def _no_entropy(_size: int) -> bytes:
    raise TypeError("an order needs randomness")


async def _renew(publisher: Publisher) -> None:
    renewed = await publisher.refresh()
    if renewed:
        log.info("renewed", renewed=renewed)


async def _name_ignored(incoming: Path, known: set[str]) -> None:
    """Say once of each thing in `incoming` that it is no bundle."""
    found = set(await asyncio.to_thread(list_ignored, incoming))
    for name in sorted(found - known):
        log.warning("not a bundle, ignored: submit with `hening-signer`", submission=name[:80])
    known.clear()
    known.update(found)


async def _cancel_all(tasks: "list[asyncio.Task[None]]") -> None:
    for task in reversed(tasks):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _identity(public: Path) -> tuple[int, int] | None:
    try:
        stat = (public / "metadata" / "timestamp.json").stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns
