"""Sends packages and parts of them, each client at its own pace and none at the polls' expense.

A package that is a file goes from the kernel's cache to the socket of whoever asks on the lane;
over TLS, from a store elsewhere, and to clients that were handed over, it goes in pieces, the next
once the client has taken the last.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from server.device.answer import Answer, problem
from server.device.counts import Counts
from server.device.documents import Package
from server.device.file_sending import FileSender, Sending
from server.device.heads import PlannedFile
from server.device.send_progress import Patience, Twin, untaken
from server.device.turns import Limits
from server.storage.blobs import BlobReader
from server.storage.errors import StorageError


class Downloads:
    """The downloads of one process: so many at a time, and none that stalls for long.

    `date` gives what stands in the header of this name.
    """

    def __init__(
        self, blobs: BlobReader, counts: Counts, limits: Limits, date: Callable[[], str]
    ) -> None:
        self._blobs = blobs
        self._counts = counts
        self._limits = limits
        self._date = date
        self._files = FileSender()
        self._watched: set[asyncio.Transport] = set()

    def watches(self, transport: asyncio.Transport | None) -> bool:
        """Answer whether a download over this connection looks itself whether its client stalls."""
        return transport in self._watched

    async def send(
        self, request: web.BaseRequest, answer: Answer, package: Package
    ) -> web.StreamResponse:
        """Answer with a package that is not empty, or with the part of it that `answer` names.

        Raises StorageError or OSError when its bytes cannot be had: before the head if that can
        be known by then; after it the connection is reset, for a wrong end is no end.
        """
        if self._counts.downloads >= self._limits.downloads:
            return self._refuse()
        self._counts.downloads += 1
        try:
            return await self._send(request, answer, package)
        finally:
            self._counts.downloads -= 1

    async def send_file(
        self,
        transport: asyncio.Transport,
        planned: PlannedFile,
        head: bytes,
        begin: Callable[[Sending], None],
    ) -> bool:
        """Send `head` and what is planned to a transport without TLS that has nothing to write.

        `begin` is told when it begins. Answers False, and nothing was sent, where there is no such
        file, or no room. Raises OSError or StorageError, and the connection is reset, where it ends
        before its end.
        """
        if self._counts.downloads >= self._limits.downloads:
            return False
        self._counts.downloads += 1
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._ended)
            try:
                package = planned.package
                opening = self._blobs.open_file(package.sha256, package.length)
                file = await stack.enter_async_context(opening)
                if file is None:
                    return False
                twin = stack.enter_context(Twin(transport))
                sending = Sending(transport, twin, head, file, planned.first, planned.end)
                self._files.begin(sending)
            except (OSError, StorageError):
                return False
            self._counts.answers[planned.status] += 1
            begin(sending)
            with _whole(twin):
                await self._files.finish(sending)
        return True

    def _ended(self) -> None:
        self._counts.downloads -= 1

    def _refuse(self) -> web.StreamResponse:
        """Answer that there are too many; nothing in it tells a phone when to come again."""
        busy = problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many downloads are under way.")
        self._counts.answers[busy.status] += 1
        response = web.Response(status=busy.status, headers=self._dated(busy), body=busy.body)
        response.force_close()
        return response

    def _dated(self, answer: Answer) -> dict[str, str]:
        return {"Date": self._date(), **answer.headers}

    async def _send(
        self, request: web.BaseRequest, answer: Answer, package: Package
    ) -> web.StreamResponse:
        first = 0 if answer.part is None else answer.part.first
        length = package.length if answer.part is None else answer.part.length
        response = web.StreamResponse(status=answer.status, headers=self._dated(answer))
        async with contextlib.AsyncExitStack() as stack:
            opening = self._blobs.open_file(package.sha256, package.length)
            await stack.enter_async_context(opening)  # which finds out whether it is as signed
            if request.method == "HEAD":
                await self._begin(request, response)
                return response
            transport = request.transport
            if transport is None:
                raise ConnectionError("the client is gone")
            twin = stack.enter_context(Twin(transport))
            patience = stack.enter_context(
                Patience(transport, twin, self._limits.stall_seconds, self._stalled)
            )
            self._watched.add(transport)
            stack.callback(self._watched.discard, transport)
            pieces = await stack.enter_async_context(
                self._blobs.open_range(package.sha256, first, length)
            )
            writer = await self._begin(request, response)
            with _whole(twin):
                await _write(writer, pieces, patience)
                with patience.waiting():
                    await _empty(transport, writer)
            await response.write_eof()
        return response

    def _stalled(self) -> None:
        self._counts.cuts["stall"] += 1

    async def _begin(
        self, request: web.BaseRequest, response: web.StreamResponse
    ) -> AbstractStreamWriter:
        """Send the head."""
        self._counts.answers[response.status] += 1
        writer = await response.prepare(request)
        if writer is None:
            raise ConnectionError("the answer was given already")
        return writer


def _is_tls(transport: asyncio.Transport) -> bool:
    return transport.get_extra_info("sslcontext") is not None


async def _empty(transport: asyncio.Transport, writer: AbstractStreamWriter) -> None:
    """Wait until the kernel has what was written."""
    # A transport of TLS waits for ever from 0 on, for it takes a buffer of no bytes for full.
    transport.set_write_buffer_limits(high=1 if _is_tls(transport) else 0)
    try:
        await writer.drain()
    finally:
        transport.set_write_buffer_limits()
    if transport.is_closing():
        raise ConnectionError("the connection was closed")


async def _write(
    writer: AbstractStreamWriter, pieces: AsyncIterator[bytes], patience: Patience
) -> None:
    async for piece in pieces:
        with patience.waiting():
            await writer.write(piece)
            await writer.drain()
        await asyncio.sleep(0)  # a client that takes all at once must not keep the loop


@contextlib.contextmanager
def _whole(twin: Twin) -> Iterator[None]:
    """Reset the connection unless the block comes to its end: a part must not look like all."""
    try:
        yield
    except BaseException:
        twin.cut()
        raise


class FileAnswer:
    """Sends `head` and what is planned, then tells `done` whether it did; else nothing was sent.

    Where the connection is gone, or was reset since the file ended early, nobody is told.
    """

    def __init__(
        self,
        downloads: Downloads,
        transport: asyncio.Transport,
        planned: PlannedFile,
        head: bytes,
        done: Callable[[bool], None],
    ) -> None:
        self._transport = transport
        self._done = done
        self._sending: Sending | None = None
        self._task = asyncio.create_task(self._run(downloads, planned, head))

    async def _run(self, downloads: Downloads, planned: PlannedFile, head: bytes) -> None:
        try:
            is_sent = await downloads.send_file(self._transport, planned, head, self._begin)
        except (OSError, StorageError):
            return
        if not self._transport.is_closing():
            self._done(is_sent)

    def _begin(self, sending: Sending) -> None:
        self._sending = sending

    def untaken(self) -> int:
        """Return how many bytes the client has still to take, as far as known."""
        left = 0 if self._sending is None else self._sending.left()
        return left + untaken(self._transport)

    def cut(self) -> None:
        """End it and its connection."""
        if self._sending is None:
            self._transport.abort()
        else:
            self._sending.twin.cut()
