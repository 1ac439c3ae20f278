"""Serves the dialects of existing Updater apps, in the main process, on a listener of their own."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog

from server.bootstrap import Clock
from server.compat.options import CompatOptions
from server.compat.plane import CompatPlane, make_lists
from server.compat.rendering import Rendered, render
from server.core.errors import FormatError, HeningError
from server.device.snapshot import EMPTY, Snapshot
from server.dialect_read_back import DialectReadBack
from server.http.counts import Counts
from server.http.listener import listening
from server.processes.messages import Certificate
from server.processes.serving import load_certificate, make_context, use_certificate
from server.processes.sockets import bind_tcp
from server.storage.blobs import BlobReader


def split_address(listen: str) -> tuple[str, int]:
    """Return host and port of `ADDRESS:PORT`; raises FormatError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise FormatError(f"[compat] listen is {listen[:64]!r}: write ADDRESS:PORT.")
    return host.strip("[]"), int(port)


log = structlog.get_logger()


class Dialects:
    """The map of the snapshot that is served; call `show` before it listens."""

    def __init__(self, options: CompatOptions, blobs: BlobReader, clock: Clock) -> None:
        self.counts = Counts()
        self.rendered = Rendered()
        self._options = options
        self._clock = clock
        self.plane = CompatPlane(options, blobs, self.counts, lambda: clock().timestamp())
        self._tls: ssl.SSLContext | None = None

    async def show(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on.

        Where it cannot be rendered nothing is offered: the former map may offer what was halted.
        """
        if snapshot is EMPTY:
            return
        now, previous = int(self._clock().timestamp()), self.rendered
        try:
            self.rendered = await asyncio.to_thread(render, self._options, snapshot, now, previous)
        except HeningError as error:
            self.rendered = Rendered()
            log.error("alarm", error=f"the dialects offer nothing: {error}")
        self.plane.served = make_lists(self.rendered)
        self.plane.tick()

    def read_back(self, alarm: Callable[[str], None]) -> DialectReadBack:
        """Return what asks the public URLs after each publication."""
        return DialectReadBack(
            self._options, lambda: self.rendered, lambda: self._clock().timestamp(), alarm
        )

    def read_certificate(self) -> Certificate | None:
        """Return the certificate of the settings, or None; raises FormatError or OSError."""
        if not self._options.tls_cert:
            return None
        return load_certificate(Path(self._options.tls_cert), Path(self._options.tls_key))

    def renew(self) -> None:
        """Read the certificate again; raises FormatError or OSError, and keeps the former one."""
        certificate = self.read_certificate()
        if self._tls is not None and certificate is not None:
            use_certificate(self._tls, certificate)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Serve until the block ends; yields the port."""
        certificate = await asyncio.to_thread(self.read_certificate)
        if certificate is not None:
            self._tls = make_context(certificate)
            # Updaters of Android 9 and older, which most of these apps still run on, have no 1.3.
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        host, port = split_address(self._options.listen)
        async with contextlib.AsyncExitStack() as stack:
            sockets = await asyncio.to_thread(bind_tcp, host, port, 1)
            for each in sockets:
                stack.callback(each.close)
            await stack.enter_async_context(listening(self.plane, sockets, tls=self._tls))
            yield sockets[0].getsockname()[1]
