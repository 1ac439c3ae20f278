"""Serves phones, and existing Updater apps, in this process or in workers."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from server.compat.options import SENTENCE
from server.compat.rendering import Rendered
from server.core.errors import FormatError
from server.device.answer import phone_host
from server.device.snapshot import EMPTY
from server.dialect_serving import Dialects, read_compat_certificate, split_address
from server.http.counts import Counts
from server.http.turns import LIMITS
from server.processes.child import Place
from server.processes.delta import make_lists
from server.processes.messages import Certificate, WorkerConfig
from server.processes.priority import ProcessStarter
from server.processes.serving import Serving, load_certificate
from server.processes.sockets import bind_tcp, bound_unix, share
from server.processes.supervisor import Supervisor
from server.settings import Settings
from server.snapshot_watch import SnapshotWatch
from server.storage.blobs import BlobReader
from server.storage.layout import StateFolder
from server.stores import Clock, open_place

LAG = 2.0  # seconds: a node that follows the tree has what another node serves within 1 s
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Phones:
    """The public planes of this process: their ports, the snapshot, their counts.

    `port` is 0 if only Unix sockets were passed; `compat_port` is 0 if no dialects are served.
    `show_lists` serves the dialects' lists. `renew` replaces the workers, with new certificates for
    phones and for apps if given. `serves` returns whether phones are answered, `lost` the number of
    workers that ended unexpectedly.
    """

    port: int
    url: str
    watch: SnapshotWatch
    counts: Counts
    compat_port: int
    compat_counts: Counts
    show_lists: Callable[[Rendered], Awaitable[None]]
    renew: Callable[[Certificate | None, Certificate | None], Awaitable[None]]
    serves: Callable[[], bool]
    lost: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the caller that started this process passed to it.

    `passed`: open listening sockets for phones. `environment`: the variables for workers, without
    the settings. When `hangup` is set, certificates are read again and workers replaced. `starter`
    starts workers; by default a new one is made.
    """

    passed: Sequence[socket.socket]
    environment: Mapping[str, str]
    hangup: asyncio.Event
    starter: ProcessStarter | None = None


@contextlib.asynccontextmanager
async def serving_phones(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    blobs: BlobReader,
    inherited: Inherited,
) -> AsyncIterator[Phones]:
    """Serve phones from the published files until the block ends; the caller runs the watch.

    Raises StorageError for a socket that cannot be opened, FormatError for contradictory settings,
    and ProcessError for a worker that cannot start.
    """
    certificate = await asyncio.to_thread(read_certificate, settings)
    other = await asyncio.to_thread(read_compat_certificate, settings.compat)
    async with opened_sockets(settings, inherited.passed) as (sockets, compat):
        tcp = [each for each in sockets if each.family != socket.AF_UNIX]
        unix = [each for each in sockets if each.family == socket.AF_UNIX]
        url = read_back_url(settings, tcp)
        place = await asyncio.to_thread(open_place, settings)
        where = str(folder.blobs.absolute()) if place is None else place
        hosts = (phone_host(url),)
        config = WorkerConfig(
            settings.gate,
            LIMITS,
            hosts,
            where,
            certificate,
            settings.compat,
            other,
            LAG if settings.tree_url else 0.0,
        )
        port, compat_port = (each[0].getsockname()[1] if each else 0 for each in (tcp, compat))
        if settings.workers:
            shares = zip(
                *(share(each, settings.workers) for each in (tcp, unix, compat)), strict=True
            )
            places = [Place(number, *each) for number, each in enumerate(shares)]
            starter = inherited.starter or ProcessStarter()
            supervisor = Supervisor(places, config, inherited.environment, starter)
            watch = SnapshotWatch(folder, blobs, supervisor.show)
            async with supervisor.running(watch.poll):
                yield Phones(
                    port,
                    url,
                    watch,
                    supervisor.tally.total,
                    compat_port,
                    supervisor.compat_tally.total,
                    supervisor.show_lists,
                    supervisor.renew,
                    lambda: watch.current is not EMPTY and supervisor.is_serving,
                    lambda: supervisor.lost,
                )
            return
        serving = Serving(config, blobs, lambda: clock().timestamp())
        watch = SnapshotWatch(folder, blobs, serving.show)
        await watch.poll()

        async def show_lists(rendered: Rendered) -> None:
            await serving.show_lists(make_lists(rendered))

        async def renew(certificate: Certificate | None, compat: Certificate | None) -> None:
            serving.renew(certificate, compat)
            if certificate is not None or compat is not None:
                log.info("the certificate was read again")
            await asyncio.sleep(0)

        async with serving.listening(tcp, unix, compat):
            yield Phones(
                port,
                url,
                watch,
                serving.counts,
                compat_port,
                serving.compat_counts,
                show_lists,
                renew,
                lambda: watch.current is not EMPTY,
            )


async def serve_dialects(settings: Settings, clock: Clock, phones: Phones) -> Dialects | None:
    """Serve the dialects of existing Updater apps, if the settings have a listener for them."""
    if not phones.compat_port:
        return None
    dialects = Dialects(settings.compat, clock, phones.show_lists)
    await dialects.show(phones.watch.current)
    phones.watch.subscribe(dialects.show)
    log.info("the dialects listen", port=phones.compat_port)
    log.warning(SENTENCE)
    return dialects


@contextlib.asynccontextmanager
async def watching(
    folder: StateFolder, settings: Settings, blobs: BlobReader
) -> AsyncIterator[Phones]:
    """Verify the published files without serving them; for a node that serves no phones."""

    async def show(_shown: object) -> None:
        await asyncio.sleep(0)

    async def renew(_certificate: Certificate | None, _compat: Certificate | None) -> None:
        await asyncio.sleep(0)

    watch = SnapshotWatch(folder, blobs, show)
    await watch.poll()
    yield Phones(
        0,
        settings.public_url,
        watch,
        Counts(),
        0,
        Counts(),
        show,
        renew,
        lambda: watch.current is not EMPTY,
    )


@contextlib.asynccontextmanager
async def opened_sockets(
    settings: Settings, passed: Sequence[socket.socket]
) -> AsyncIterator[tuple[list[socket.socket], list[socket.socket]]]:
    """Yield the listening sockets for phones, passed or bound here, and those of the dialects.

    They are open until the block ends. Raises FormatError, and StorageError if a socket cannot be
    bound.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def bind(host: str, port: int) -> list[socket.socket]:
            bound = await asyncio.to_thread(bind_tcp, host, port, max(1, settings.workers))
            for each in bound:
                stack.callback(each.close)
            return bound

        for each in passed:
            stack.callback(each.close)
        sockets = list(passed) or await bind(settings.host, settings.port)
        if settings.socket:
            unix = bound_unix(Path(settings.socket))
            sockets.append(await asyncio.to_thread(unix.__enter__))
            stack.push_async_callback(asyncio.to_thread, unix.__exit__, None, None, None)
        has_listener = settings.compat.dialects and settings.compat.listen
        compat = await bind(*split_address(settings.compat.listen)) if has_listener else []
        yield sockets, compat


def read_certificate(settings: Settings) -> Certificate | None:
    """Return the device plane's certificate from its files, or None without one.

    Raises FormatError or OSError.
    """
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise FormatError("tls_cert and tls_key go together: name both files, or neither.")
    if not settings.tls_cert:
        return None
    return load_certificate(Path(settings.tls_cert), Path(settings.tls_key))


def read_back_url(settings: Settings, tcp: Sequence[socket.socket]) -> str:
    """Return the URL from which published files are read back: `public_url` or a local socket's.

    Raises FormatError if `public_url` is not set and cannot be derived.
    """
    if settings.public_url:
        return settings.public_url
    if settings.tls_cert:
        raise FormatError("set public_url, too: the server must know its certificate's name.")
    if not tcp:
        raise FormatError("set public_url, too: no TCP socket was passed to this server.")
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{name}:{tcp[0].getsockname()[1]}"


async def renew_at(hangup: asyncio.Event, phones: Phones, settings: Settings) -> None:
    """Read the certificates again and replace workers each time `hangup` is set, until cancelled.

    An unusable certificate raises an alarm, and the former certificate stays in use.
    """
    while True:
        await hangup.wait()
        hangup.clear()
        certificate = other = None
        try:
            certificate = await asyncio.to_thread(read_certificate, settings)
        except (FormatError, OSError) as error:
            log.error("alarm", error=f"the former certificate stays in use: {error}")
        try:
            other = await asyncio.to_thread(read_compat_certificate, settings.compat)
        except (FormatError, OSError) as error:
            log.error("alarm", error=f"the dialects' former certificate stays in use: {error}")
        await phones.renew(certificate, other)
