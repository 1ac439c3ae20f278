"""Sends packages and parts of them at each client's pace, without delaying polls.

On the fast path a package in a file goes from the page cache to the socket, or with TLS through the
transport. Packages from a remote store, and all packages after the fallback to aiohttp, are sent in
pieces: each when the client has taken the previous one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from server.http.answers import Answer, Package, problem
from server.http.counts import Counts
from server.http.heads import PlannedFile
from server.http.sending import DuplicateSocket, FileSender, Sending, StallTimer, unacknowledged
from server.http.turns import Limits
from server.storage.blobs import BlobReader
from server.storage.errors import StorageError


@dataclass(eq=False)
class Downloads:
    """The downloads of one process: limited in number, and cut when they stall.

    `date` returns the value of the `Date` header. With `counts_packages` the first and last bytes
    of packages are counted, because the clients are phones and not a cache in front of them.
    """

    blobs: BlobReader
    counts: Counts
    limits: Limits
    date: Callable[[], str]
    _: KW_ONLY
    counts_packages: bool = False
    _files: FileSender = field(default_factory=FileSender, init=False)
    _watched: set[asyncio.Transport] = field(default_factory=set, init=False)

    def watches(self, transport: asyncio.Transport | None) -> bool:
        """Return whether a download over this connection itself detects a stalled client."""
        return transport in self._watched

    async def send(
        self, request: web.BaseRequest, answer: Answer, package: Package
    ) -> web.StreamResponse:
        """Answer with a package that is not empty, or with the part of it in `answer`.

        Raises StorageError or OSError if its bytes cannot be read, before the head is sent if that
        is known by then. After the head the connection is reset, so that the client does not take
        the part for a complete answer.
        """
        if self.counts.downloads >= self.limits.downloads:
            return self._refuse()
        self.counts.downloads += 1
        try:
            return await self._send(request, answer, package)
        finally:
            self.counts.downloads -= 1

    async def send_file(
        self,
        transport: asyncio.Transport,
        planned: PlannedFile,
        head: bytes,
        begin: Callable[[Sending], None],
    ) -> bool:
        """Send `head` and the planned bytes; without TLS the transport's buffer must be empty.

        `begin` is called when sending begins. Returns False without sending anything if the file
        does not exist or too many downloads run. If the file ends early, resets the connection and
        raises OSError or StorageError.
        """
        if self.counts.downloads >= self.limits.downloads:
            return False
        self.counts.downloads += 1
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._ended)
            try:
                package = planned.package
                opening = self.blobs.open_file(package.sha256, package.length)
                file = await stack.enter_async_context(opening)
                if file is None:
                    return False
                duplicate = stack.enter_context(DuplicateSocket(transport))
                sending = Sending(
                    transport, duplicate, head, file, planned.first, planned.end, is_tls(transport)
                )
                self._files.begin(sending)
            except (OSError, StorageError):
                return False
            self.counts.answers[planned.status] += 1
            begin(sending)
            self._count_begin(package, planned.first)
            with _whole(duplicate):
                await self._files.finish(sending)
            self._count_end(package, planned.end)
        return True

    def resume(self, sending: Sending) -> None:
        """Continue over TLS after the client has taken the written bytes."""
        self._files.resume(sending)

    def _count_begin(self, package: Package, first: int) -> None:
        if self.counts_packages and first == 0:
            begun = self.counts.begun
            begun[package.sha256] = begun.get(package.sha256, 0) + 1

    def _count_end(self, package: Package, end: int) -> None:
        if self.counts_packages and end == package.length:
            finished = self.counts.finished
            finished[package.sha256] = finished.get(package.sha256, 0) + 1

    def _ended(self) -> None:
        self.counts.downloads -= 1

    def _refuse(self) -> web.StreamResponse:
        """Answer 503 without a Retry-After, because too many downloads run."""
        busy = problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many downloads are under way.")
        self.counts.answers[busy.status] += 1
        response = web.Response(status=busy.status, headers=self._dated(busy), body=busy.body)
        response.force_close()
        return response

    def _dated(self, answer: Answer) -> dict[str, str]:
        return {"Date": self.date(), **answer.headers}

    async def _send(
        self, request: web.BaseRequest, answer: Answer, package: Package
    ) -> web.StreamResponse:
        first = 0 if answer.part is None else answer.part.first
        length = package.length if answer.part is None else answer.part.length
        response = web.StreamResponse(status=answer.status, headers=self._dated(answer))
        async with contextlib.AsyncExitStack() as stack:
            opening = self.blobs.open_file(package.sha256, package.length)
            await stack.enter_async_context(opening)  # verifies the bytes
            if request.method == "HEAD":
                await self._begin(request, response)
                return response
            transport = request.transport
            if transport is None:
                raise ConnectionError("the client is gone")
            duplicate = stack.enter_context(DuplicateSocket(transport))
            patience = stack.enter_context(
                StallTimer(transport, duplicate, self.limits.stall_seconds, self._stalled)
            )
            self._watched.add(transport)
            stack.callback(self._watched.discard, transport)
            pieces = await stack.enter_async_context(
                self.blobs.open_range(package.sha256, first, length)
            )
            writer = await self._begin(request, response)
            self._count_begin(package, first)
            with _whole(duplicate):
                await _write(writer, pieces, patience)
                with patience.waiting():
                    await _empty(transport, writer)
            await response.write_eof()
            self._count_end(package, first + length)
        return response

    def _stalled(self) -> None:
        self.counts.cuts["stall"] += 1

    async def _begin(
        self, request: web.BaseRequest, response: web.StreamResponse
    ) -> AbstractStreamWriter:
        """Send the head."""
        self.counts.answers[response.status] += 1
        writer = await response.prepare(request)
        if writer is None:
            raise ConnectionError("the answer was already sent")
        return writer


def is_tls(transport: asyncio.Transport) -> bool:
    """Return whether a connection is encrypted."""
    return transport.get_extra_info("sslcontext") is not None


async def _empty(transport: asyncio.Transport, writer: AbstractStreamWriter) -> None:
    """Wait until the kernel has taken all written bytes."""
    # With 0 a TLS transport never resumes, because it takes an empty buffer for a full one.
    transport.set_write_buffer_limits(high=1 if is_tls(transport) else 0)
    try:
        await writer.drain()
    finally:
        transport.set_write_buffer_limits()
    if transport.is_closing():
        raise ConnectionError("the connection was closed")


async def _write(
    writer: AbstractStreamWriter, pieces: AsyncIterator[bytes], patience: StallTimer
) -> None:
    async for piece in pieces:
        with patience.waiting():
            await writer.write(piece)
            await writer.drain()
        await asyncio.sleep(0)  # a fast client must not block the loop


@contextlib.contextmanager
def _whole(duplicate: DuplicateSocket) -> Iterator[None]:
    """Reset the connection unless the block completes: a part must not look complete."""
    try:
        yield
    except BaseException:
        duplicate.cut()
        raise


class FileAnswer:
    """Sends `head` and the planned bytes, and calls `done` with whether it sent them.

    It sends nothing if the file is missing or too many downloads run. `done` is not called if the
    connection is gone, or was reset because the file ended early.
    """

    def __init__(
        self,
        downloads: Downloads,
        transport: asyncio.Transport,
        planned: PlannedFile,
        head: bytes,
        done: Callable[[bool], None],
    ) -> None:
        self._downloads = downloads
        self._transport = transport
        self._done = done
        self._sending: Sending | None = None
        self._task = asyncio.create_task(self._run(planned, head))

    async def _run(self, planned: PlannedFile, head: bytes) -> None:
        sending = self._downloads.send_file(self._transport, planned, head, self._begin)
        try:
            is_sent = await sending
        except (OSError, StorageError):
            return
        if not self._transport.is_closing():
            self._done(is_sent)

    def _begin(self, sending: Sending) -> None:
        self._sending = sending

    def unacknowledged(self) -> int:
        """Return the number of bytes that the client has not taken yet, as far as known."""
        count = 0 if self._sending is None else self._sending.remaining()
        return count + unacknowledged(self._transport)

    @property
    def is_paused(self) -> bool:
        """Whether the client does not take the written bytes."""
        return self._sending is not None and self._sending.is_paused

    def pause(self) -> None:
        """Stop writing until `resume`, because the client does not take the bytes."""
        if self._sending is not None:
            self._sending.is_paused = True

    def resume(self) -> None:
        """Continue writing."""
        if self._sending is not None:
            self._downloads.resume(self._sending)

    def cut(self) -> None:
        """End the download and its connection."""
        if self._sending is None:
            self._transport.abort()
        else:
            self._sending.duplicate.cut()
