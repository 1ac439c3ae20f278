"""Serves phones and existing Updater apps in this process, on given sockets."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from server.compat.lists import Lists
from server.compat.plane import CompatPlane
from server.core.errors import FormatError
from server.device.answer import make_served
from server.device.plane import DevicePlane
from server.device.snapshot import Snapshot
from server.http.counts import Counts
from server.http.listener import Listener, listening
from server.http.plane import Plane
from server.processes.messages import Certificate, WorkerConfig
from server.storage.blobs import BlobReader

FILE_LIMIT = 1 << 20  # bytes of a PEM file; a chain has a few thousand


def load_certificate(chain: Path, key: Path) -> Certificate:
    """Read a certificate from two PEM files; raises FormatError unless they match, or OSError."""
    certificate = Certificate(_read(chain), _read(key))
    make_context(certificate)
    return certificate


def make_context(certificate: Certificate) -> ssl.SSLContext:
    """Return a TLS context for new connections; raises FormatError for an unusable certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    use_certificate(context, certificate)
    return context


def use_certificate(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Use `certificate` for new connections; open connections continue.

    Raises FormatError for an unusable certificate. Try it with `make_context` first.
    """
    chain, key = _in_memory(certificate.chain), _in_memory(certificate.key)
    try:
        context.load_cert_chain(
            f"/proc/self/fd/{chain}", f"/proc/self/fd/{key}", password=_no_password
        )
    except (OSError, ssl.SSLError) as error:
        raise FormatError(
            f"tls_cert and tls_key cannot be used: {error}; they are PEM files without a password."
        ) from error
    finally:
        os.close(chain)
        os.close(key)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        raise FormatError(
            f"{path} is larger than {FILE_LIMIT} bytes, so it is not a certificate or key."
        )
    return data


def _in_memory(data: bytes) -> int:
    """Return the descriptor of a file in memory, because `ssl` reads only files.

    So a key is not written to disk, and a certificate stays usable when its files change.
    """
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor


def _no_password() -> str:
    """Return no password for an encrypted key; otherwise OpenSSL would prompt on the terminal."""
    return ""


class Serving:
    """The public planes of one process, with their counts; call `show` before `listening`.

    `clock` returns epoch seconds.
    """

    def __init__(self, config: WorkerConfig, blobs: BlobReader, clock: Callable[[], float]) -> None:
        self.counts = Counts()
        self._config = config
        self.compat_counts = Counts()
        self._plane = DevicePlane(blobs, self.counts, config.gate, clock, config.limits, config.lag)
        self._dialects = CompatPlane(config.compat, blobs, self.compat_counts, clock, config.limits)
        self._tls: ssl.SSLContext | None = None
        self._compat_tls: ssl.SSLContext | None = None
        self._listeners: list[Listener] = []
        self._stack: contextlib.AsyncExitStack | None = None  # while it listens
        self._compat: Sequence[socket.socket] = ()  # the dialects' sockets until it listens on them
        self._has_lists = False

    async def show(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on.

        The loop's thread prepares it, because another thread would compete with every answer for
        the GIL.
        """
        await asyncio.sleep(0)
        served = make_served(snapshot, self._config.hosts, self._config.gate, self._plane.served)
        self._plane.show(served)

    async def show_lists(self, lists: Lists) -> None:
        """Answer the dialects from `lists` from now on."""
        self._dialects.serve(lists)
        self._has_lists = True
        await self._listen_to_apps()

    @contextlib.asynccontextmanager
    async def listening(
        self,
        tcp: Sequence[socket.socket],
        unix: Sequence[socket.socket],
        compat: Sequence[socket.socket] = (),
    ) -> AsyncIterator[None]:
        """Serve on the sockets until the block ends, then drain; on `compat` when it has lists.

        TLS is only for TCP, because the client of a Unix socket is a proxy on this machine.
        """
        certificate, other = self._config.certificate, self._config.compat_certificate
        self._tls = None if certificate is None else make_context(certificate)
        if other is not None:
            self._compat_tls = make_context(other)
            # Most of these apps still run on Android 9 and older, which do not have TLS 1.3.
            self._compat_tls.minimum_version = ssl.TLSVersion.TLSv1_2
        async with contextlib.AsyncExitStack() as stack:
            self._stack, self._compat = stack, compat
            await self._listen(self._plane, tcp, self._tls)
            await self._listen(self._plane, unix, None)
            await self._listen_to_apps()
            try:
                yield
            finally:
                self._stack = None

    async def _listen(
        self, plane: Plane, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None
    ) -> None:
        if sockets and self._stack is not None:
            serving = listening(plane, sockets, tls=tls)
            self._listeners.append(await self._stack.enter_async_context(serving))

    async def _listen_to_apps(self) -> None:
        """Listen for the dialects when there are lists; until then connections wait in the kernel.

        Without lists a worker would answer 404, which an app takes for a failure.
        """
        if self._has_lists and self._stack is not None:
            sockets, self._compat = self._compat, ()
            await self._listen(self._dialects, sockets, self._compat_tls)

    def renew(self, certificate: Certificate | None, compat: Certificate | None) -> None:
        """Use the given certificates, those that are not None, for new connections."""
        for tls, new in ((self._tls, certificate), (self._compat_tls, compat)):
            if tls is not None and new is not None:
                use_certificate(tls, new)

    async def drain(self, seconds: float) -> None:
        """Accept no new connections, wait up to `seconds` for answers under way, then close all."""
        self._compat = ()
        await asyncio.gather(*(each.drain(seconds) for each in self._listeners))
        await asyncio.gather(*(each.stop() for each in self._listeners))
