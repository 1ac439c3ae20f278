"""A proxy on loopback in front of a real server that simulates failures of server or network."""

import asyncio
import contextlib
import enum
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

SLOW_SECONDS = 0.2


class Fault(enum.StrEnum):
    """What happens to connections from now on; connections that are already open are closed."""

    NONE = "none"
    ERROR = "error"  # every request is answered with status 500
    BUSY = "busy"  # with status 503, as S3 asks a client to slow down
    CLOSE = "close"  # a request is read, and its connection closed
    SILENCE = "silence"  # a request is accepted and never answered
    CUT_ANSWER = "cut answer"  # after `limit` bytes of the answer the connection is closed
    CUT_REQUEST = "cut request"  # the same, of the request
    LOSE_ANSWER = "lose answer"  # a request is carried out, and its answer is dropped
    SLOW = "slow"  # the first byte of an answer is delayed
    HOLD_REQUEST = "hold request"  # after `limit` bytes nothing more is forwarded


@dataclass
class FaultProxy:
    """The proxy's address, its present fault, and what it has counted."""

    host: str = "127.0.0.1"
    port: int = 0
    fault: Fault = Fault.NONE
    limit: int = 0
    times: int = -1  # on how many connections the fault still happens; -1: on all
    connections: int = 0
    answered: int = 0  # bytes that the server's answers had
    is_held: threading.Event = field(default_factory=threading.Event)
    drop: Callable[[], None] = lambda: None  # closes the open connections

    def __setattr__(self, name: str, value: object) -> None:
        """Set a field and close kept connections, so that a new fault applies to them too."""
        super().__setattr__(name, value)
        if name == "fault" and value is not Fault.NONE:
            self.drop()

    @property
    def endpoint(self) -> str:
        """The proxy's address."""
        return f"http://{self.host}:{self.port}"


@contextlib.contextmanager
def run_fault_proxy(
    upstream: int, *, host: str = "127.0.0.1", listen: str = "127.0.0.1"
) -> Iterator[FaultProxy]:
    """Run a proxy in front of a port of `host` until the block ends; it listens on `listen`."""
    proxy, ready = FaultProxy(listen), threading.Event()
    end: list[Any] = []

    async def main() -> None:
        stop = asyncio.Event()
        end.extend((asyncio.get_running_loop(), stop))
        tasks: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            tasks.add(task)
            proxy.connections += 1
            try:
                await _serve(proxy, (host, upstream), reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # the connection or the proxy was closed
            finally:
                await _abort(writer)
                tasks.discard(task)

        server = await asyncio.start_server(accept, listen, 0)
        loop = asyncio.get_running_loop()

        async def end_connections() -> None:
            ended = list(tasks)
            for task in ended:
                task.cancel()
            await asyncio.gather(*ended, return_exceptions=True)

        def drop() -> None:
            asyncio.run_coroutine_threadsafe(end_connections(), loop).result(30)

        proxy.drop = drop
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield proxy
    finally:
        end[0].call_soon_threadsafe(end[1].set)
        thread.join(30)


async def _serve(
    proxy: FaultProxy,
    upstream: tuple[str, int],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    fault = proxy.fault if proxy.times else Fault.NONE
    proxy.times = max(proxy.times - 1, -1) if proxy.times else 0
    if fault in {Fault.BUSY, Fault.CLOSE, Fault.ERROR, Fault.SILENCE}:
        await reader.readuntil(b"\r\n\r\n")
        if fault is Fault.CLOSE:
            return
        if fault is Fault.SILENCE:
            await reader.read()  # until the client gives up
        status = b"503 Slow Down" if fault is Fault.BUSY else b"500 Internal Server Error"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        return
    server_reader, server_writer = await asyncio.open_connection(*upstream)
    ways = (
        asyncio.create_task(_hand_on(proxy, fault, Fault.CUT_REQUEST, reader, server_writer)),
        asyncio.create_task(_hand_on(proxy, fault, Fault.CUT_ANSWER, server_reader, writer)),
    )
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await _abort(server_writer)


async def _hand_on(
    proxy: FaultProxy,
    fault: Fault,
    cut: Fault,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    passed = 0
    while data := await reader.read(65_536):
        passed += len(data)
        if cut is Fault.CUT_ANSWER:
            proxy.answered += len(data)
        if cut is Fault.CUT_ANSWER and fault is Fault.LOSE_ANSWER:
            proxy.is_held.set()
            continue
        if cut is Fault.CUT_ANSWER and fault is Fault.SLOW and passed == len(data):
            await asyncio.sleep(SLOW_SECONDS)
        if passed > proxy.limit and fault is cut:
            writer.write(data[: len(data) - (passed - proxy.limit)])
            await writer.drain()
            return
        if passed > proxy.limit and (fault, cut) == (Fault.HOLD_REQUEST, Fault.CUT_REQUEST):
            proxy.is_held.set()
            await asyncio.Event().wait()
        writer.write(data)
        await writer.drain()


async def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
