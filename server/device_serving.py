"""Serves phones, in this process or in workers."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from server.bootstrap import Clock, open_place
from server.core.errors import FormatError
from server.device.answer import phone_host
from server.device.snapshot import EMPTY
from server.dialect_serving import Dialects
from server.http.counts import Counts
from server.http.turns import LIMITS
from server.processes.child import Place
from server.processes.messages import Certificate, WorkerConfig
from server.processes.priority import ProcessStarter
from server.processes.serving import Serving, load_certificate
from server.processes.sockets import bind_tcp, bound_unix, share
from server.processes.supervisor import Supervisor
from server.settings import Settings
from server.snapshot_watch import SnapshotWatch
from server.storage.blobs import BlobReader
from server.storage.layout import StateFolder

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Phones:
    """The device plane of this process: its port, its snapshot, its counts.

    `port` is 0 where only Unix sockets were passed. `renew` replaces the workers, with a new
    certificate if given. `serves` returns whether phones are answered, `lost` how many workers
    ended unexpectedly.
    """

    port: int
    url: str
    watch: SnapshotWatch
    counts: Counts
    renew: Callable[[Certificate | None], Awaitable[None]]
    serves: Callable[[], bool]
    lost: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the caller that started this process passed to it.

    `passed` are open listening sockets for phones. `environment` is what workers inherit, without
    the settings. When `hangup` is set, certificates are read again and workers replaced. `starter`
    starts workers; without one it is made here.
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
    """Serve the last release until the block ends; the caller runs the yielded watch.

    Raises StorageError for a socket that cannot be opened, FormatError for contradictory settings,
    and ProcessError for a worker that cannot start.
    """
    certificate = await asyncio.to_thread(read_certificate, settings)
    async with opened_sockets(settings, inherited.passed) as sockets:
        tcp = [each for each in sockets if each.family != socket.AF_UNIX]
        unix = [each for each in sockets if each.family == socket.AF_UNIX]
        url = read_back_url(settings, tcp)
        place = await asyncio.to_thread(open_place, settings)
        where = str(folder.blobs.absolute()) if place is None else place
        config = WorkerConfig(settings.gate, LIMITS, (phone_host(url),), where, certificate)
        port = tcp[0].getsockname()[1] if tcp else 0
        if settings.workers:
            shares = zip(share(tcp, settings.workers), share(unix, settings.workers), strict=True)
            places = [Place(number, *each) for number, each in enumerate(shares)]
            starter = inherited.starter or ProcessStarter()
            supervisor = Supervisor(places, config, inherited.environment, starter)
            watch = SnapshotWatch(folder, blobs, supervisor.show)
            await watch.poll()
            async with supervisor.running():
                counts = supervisor.tally.total
                yield Phones(
                    port,
                    url,
                    watch,
                    counts,
                    supervisor.renew,
                    lambda: watch.current is not EMPTY and supervisor.is_serving,
                    lambda: supervisor.lost,
                )
            return
        serving = Serving(config, blobs, lambda: clock().timestamp())
        watch = SnapshotWatch(folder, blobs, serving.show)
        await watch.poll()

        async def renew(certificate: Certificate | None) -> None:
            if certificate is not None:
                serving.renew(certificate)
                log.info("the certificate was read again")
            await asyncio.sleep(0)

        async with serving.listening(tcp, unix):
            yield Phones(
                port, url, watch, serving.counts, renew, lambda: watch.current is not EMPTY
            )


@contextlib.asynccontextmanager
async def opened_sockets(
    settings: Settings, passed: Sequence[socket.socket]
) -> AsyncIterator[list[socket.socket]]:
    """Yield the listening sockets for phones until the block ends: passed or bound ones.

    Raises StorageError where one cannot be bound.
    """
    async with contextlib.AsyncExitStack() as stack:
        sockets = list(passed)
        if not passed:
            sockets = await asyncio.to_thread(
                bind_tcp, settings.host, settings.port, max(1, settings.workers)
            )
        for each in sockets:
            stack.callback(each.close)
        if settings.socket:
            bound = bound_unix(Path(settings.socket))
            sockets.append(await asyncio.to_thread(bound.__enter__))
            stack.push_async_callback(asyncio.to_thread, bound.__exit__, None, None, None)
        yield sockets


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
    """Return the URL from which published files are read back: public, or of a local socket.

    Raises FormatError where only an operator can know it.
    """
    if settings.public_url:
        return settings.public_url
    if settings.tls_cert:
        raise FormatError("set public_url, too: the server must know its certificate's name.")
    if not tcp:
        raise FormatError("set public_url, too: no TCP socket was passed to this server.")
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{name}:{tcp[0].getsockname()[1]}"


async def renew_at(
    hangup: asyncio.Event, phones: Phones, settings: Settings, dialects: Dialects | None = None
) -> None:
    """Read the certificates again, and replace workers, whenever `hangup` is set; for ever.

    An unusable certificate raises an alarm, and the former one stays.
    """
    while True:
        await hangup.wait()
        hangup.clear()
        certificate = None
        try:
            certificate = await asyncio.to_thread(read_certificate, settings)
        except (FormatError, OSError) as error:
            log.error("alarm", error=f"the certificate stays the former one: {error}")
        if dialects is not None:
            try:
                await asyncio.to_thread(dialects.renew)
            except (FormatError, OSError) as error:
                log.error("alarm", error=f"the dialects' certificate stays the former one: {error}")
        await phones.renew(certificate)
