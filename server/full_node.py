"""The work of a node besides serving phones: control plane, publisher, refresh schedule.

In a site of several machines a process may do a part of it, chosen by the setting `node`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from http import HTTPStatus

import structlog

from server.alarms import Instruments, Maintenance
from server.bootstrap import make_change_policy
from server.console.overview import ProcessState
from server.console.site import open_console
from server.core.metadata import decode_timestamp
from server.device_serving import Phones, renew_at
from server.dialect_serving import Dialects
from server.download_recorder import DownloadRecorder
from server.health import serving_health
from server.http.counts import Counts, CountsCollector
from server.http.requests import GateMode
from server.processes.supervisor import LostCollector
from server.publish_loop import publish_for_ever
from server.publisher.bundle_importer import open_stores
from server.publisher.expiry.alarms import Alarm
from server.publisher.expiry.clock import FAR, ClockKeeper, SteadyClock, load_witness
from server.publisher.expiry.monitor import Monitor
from server.publisher.keys.holder import load_keys
from server.publisher.lease import Lease
from server.publisher.plan import Publication
from server.publisher.publisher import Publisher
from server.publisher.read_back import ReadBack
from server.publisher.read_back_http import HttpReadBack
from server.release.api.operation import PollCount, Services
from server.release.api.serving import Site, serving
from server.release.rollouts.rollouts import Rollouts
from server.release.submissions.submissions import record_end
from server.release.uploads.limits import free_bytes
from server.release.webhooks.change_detector import ChangeDetector, queue_expiring
from server.release.webhooks.delivery import WebhookDelivery, WebhookMetrics
from server.release.webhooks.sender import Sender
from server.settings import Node, Settings
from server.storage.blobs import BlobStore
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.room import Room
from server.stores import Clock
from server.urgent import Turns, urgent_thread

Work = Callable[[], Coroutine[None, None, None]]
log = structlog.get_logger()


@contextlib.asynccontextmanager
async def managing(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    phones: Phones,
    dialects: Dialects | None,
    blobs: BlobStore,
    *,
    entropy: Callable[[int], bytes],
    announce_api: Callable[[int], None],
    announce_urgent: Callable[[int], None],
    hangup: asyncio.Event,
    pace: Callable[[], float] | None,
) -> AsyncIterator[None]:
    """Repair, publish and take commands until the block ends, while `phones` are served.

    The other parameters are those of `server.app.running`.
    """
    monotonic = asyncio.get_running_loop().time

    def epoch() -> int:
        return int(clock().timestamp())

    async with contextlib.AsyncExitStack() as stack:
        tools = _make_instruments(clock, phones, dialects)
        steady = await _steady_clock(folder, clock, pace or monotonic, tools)
        try:
            await asyncio.to_thread(load_keys, folder)
        except StorageError as error:
            if not folder.keys_socket:
                raise
            tools.alarm(str(error))  # phones are served meanwhile; the key process is asked again
        shared = Turns()
        sessions = await stack.enter_async_context(open_database(folder.database, shared.writing))
        room = Room(settings.blob_quota, settings.keep_free)
        publisher = Publisher(
            folder,
            sessions,
            steady,
            _read_back(HttpReadBack(phones.url, folder.public, blobs), dialects, tools),
            tools.alarm,
            tools.after_step,
            stores=open_stores(folder, blobs, room),
            lease=Lease(sessions, folder.lock, precedence=shared.publishing),
            on_result=record_end,
        )
        stack.push_async_callback(publisher.read_backs.stop)

        def queue(alarm: Alarm) -> Awaitable[None]:
            return queue_expiring(sessions, alarm, epoch())

        monitor = Monitor(
            folder,
            sessions,
            steady,
            tools.metrics,
            tools.say,
            queue,
            lambda: _free_bytes(folder, blobs),
            room,
        )
        keeper = ClockKeeper(folder, clock, steady, tools.metrics.clock_ahead, tools.say)
        maintenance = Maintenance(
            monitor, keeper, phones.serves, monotonic, renews=settings.node is not Node.CONTROL
        )
        phones.watch.subscribe(maintenance.check_soon)
        if settings.metrics_port:
            stack.enter_context(
                serving_health(settings.metrics_port, tools.registry, maintenance.reasons)
            )
        wake = asyncio.Event()
        rollouts = Rollouts(
            folder,
            sessions,
            publisher,
            steady,
            entropy,
            make_change_policy(settings),
            tools.alarm,
            shared.under_way,
        )
        publishing: list[Work] = [
            lambda: publish_for_ever(
                publisher, rollouts, folder.incoming, tools, wake, maintenance.renewed
            ),
            ChangeDetector(folder.public, sessions, epoch).run,
            WebhookDelivery(
                sessions,
                Sender(private=settings.webhook_private),
                epoch,
                entropy,
                tools.alarm,
                WebhookMetrics(tools.registry),
            ).run,
        ]
        works: list[Work] = [
            phones.watch.run,
            lambda: renew_at(hangup, phones, settings),
            *await _follow_tree(
                folder, settings.node is Node.CONTROL, phones, tools, maintenance, monotonic
            ),
            *([] if settings.node is Node.CONTROL else publishing),
            maintenance.run,
            DownloadRecorder(sessions, phones.counts, epoch, tools.alarm).run,
        ]
        tasks: list[asyncio.Task[None]] = []
        stack.push_async_callback(_cancel_all, tasks)
        log.info("listening", host=settings.host, port=phones.port)
        if settings.api_port is not None:
            urgent = await stack.enter_async_context(
                urgent_thread(
                    folder, settings, steady, entropy, phones.url, tools, shared, announce_urgent
                )
            )
            services = Services(
                folder,
                sessions,
                publisher,
                rollouts,
                clock,
                settings,
                entropy,
                wake=wake.set,
                alarms=maintenance.alarms,
                polls=_poll_counter(phones.counts, settings.gate, monotonic),
                urgent=urgent,
                urgent_priority=shared.priority,
            )
            await services.uploads.tidy()
            await services.submissions.tidy()
            works.append(lambda: services.uploads.run_retention(tools.alarm))
            # Entered last, so it ends first: running handlers still have publisher and database.
            site: Site | None = None
            if settings.console:
                known = ProcessState(maintenance.reasons, lambda: monitor.seen, steady)
                site = await asyncio.to_thread(open_console, settings, known)
            api_port = await stack.enter_async_context(serving(services, tools.registry, site=site))
            log.info("the control plane listens", host=settings.api_host, port=api_port)
            announce_api(api_port)
        # Tasks start after all settings were checked: no error of a setting interrupts them.
        tasks += [asyncio.create_task(work()) for work in works]
        yield


async def _follow_tree(
    folder: StateFolder,
    cleans: bool,
    phones: Phones,
    tools: Instruments,
    maintenance: Maintenance,
    monotonic: Callable[[], float],
) -> list[Work]:
    """Return the tasks that keep the copy of a shared tree up to date; none without such a tree."""
    if folder.tree is None:
        return []
    from server.storage.objects import Objects, UnconditionalError  # noqa: PLC0415 - few share a tree
    from server.storage.s3_tree import open_s3_tree  # noqa: PLC0415
    from server.tree_watch import TreeWatch  # noqa: PLC0415

    try:
        await asyncio.to_thread(Objects(folder.tree).check_conditions)
    except UnconditionalError:
        raise
    except StorageError as error:  # the store is unreachable: phones are served, and it is retried
        tools.alarm(str(error))
    tree = await asyncio.to_thread(open_s3_tree, folder)
    follower = TreeWatch(folder, tree, phones.watch, tools.registry, monotonic, cleans=cleans)
    await follower.restore_good()
    maintenance.add_reasons(follower.reasons)
    return [follower.run]


def _read_back(first: ReadBack, dialects: Dialects | None, tools: Instruments) -> ReadBack:
    """Return step 7: `first`, and then the dialects' public URLs."""
    if dialects is None:
        return first
    second = dialects.read_back(tools.alarm)

    async def read_back(publication: Publication) -> None:
        try:
            await first(publication)
        finally:
            await second.check(decode_timestamp(publication.timestamp).signed.version)

    return read_back


def _make_instruments(clock: Clock, phones: Phones, dialects: Dialects | None) -> Instruments:
    """Return counters and alarms; any thread that has published wakes the watch."""
    loop = asyncio.get_running_loop()

    def wake(step: int) -> None:
        loop.call_soon_threadsafe(phones.watch.after_step, step)

    tools = Instruments(clock, loop.time, wake)
    tools.registry.register(CountsCollector(phones.counts))
    tools.registry.register(LostCollector(phones.lost))
    if dialects is not None:
        tools.registry.register(CountsCollector(phones.compat_counts, "hening_compat"))
    return tools


def _poll_counter(
    counts: Counts, gate: GateMode, monotonic: Callable[[], float]
) -> Callable[[], PollCount | None]:
    started = monotonic()

    def count() -> PollCount | None:
        if gate is GateMode.EDGE:
            return None
        # Each poll requests the next root, which does not exist; few other answers are 404.
        return PollCount(counts.answers[HTTPStatus.NOT_FOUND], monotonic() - started)

    return count


def _free_bytes(folder: StateFolder, blobs: BlobStore) -> int:
    """Return the free bytes on the disk of the state or of the blobs, whichever has fewer."""
    local, remote = free_bytes(folder.root), blobs.free()
    return local if remote is None else min(local, remote)


async def _steady_clock(
    folder: StateFolder, clock: Clock, monotonic: Callable[[], float], tools: Instruments
) -> SteadyClock:
    """Return the clock for publishing.

    If the last process doubted the wall clock, the clock continues from that process's time.
    """
    witness = await asyncio.to_thread(load_witness, folder)
    since = witness.time if witness.record.is_doubted else None
    if since is None and witness.time is not None and clock() - witness.time > FAR:
        tools.say(
            f"the clock says {clock():%Y-%m-%d %H:%M} UTC, and nothing was signed after"
            f" {witness.time:%Y-%m-%d %H:%M} UTC: unless the server was off since then, stop it and"
            " look at the time service."
        )
    steady = SteadyClock(clock, monotonic, tools.notice_jump, tools.say, since)
    steady()  # later readings are compared with this one
    return steady


async def _cancel_all(tasks: "list[asyncio.Task[None]]") -> None:
    for task in reversed(tasks):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
