"""Raw clients, which send given bytes and return the answers, without retries or corrections.

So they hide no behaviour of the server. They use the loader of fleets; the event loop watches its
sockets.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence

from client_sim.fleet.answer_tree import Node
from client_sim.fleet.answers import Answer, Head
from client_sim.fleet.lines import Line
from client_sim.fleet.loader import Dialler, Exchange, Loader, Wire
from client_sim.fleet.tally import Failure
from client_sim.fleet.target import Target

PATIENCE = 30.0  # seconds for an answer, or for the end of a connection
PIECE = 1 << 18
ADDRESS = "127.0.0.1"
MANY = 4096  # concurrent connections; each kind of client also has its own limit


class ConnectionEndedError(ConnectionError):
    """The server ended the connection after `data`, before all expected answers."""

    def __init__(self, data: bytes) -> None:
        super().__init__(f"{len(data)} bytes came")
        self.data = data


class Clients:
    """The clients of one port; counts their connections and the bytes that they received."""

    def __init__(self, port: int, address: str = ADDRESS) -> None:
        self.connections = self.received = 0
        target = Target(address, port, address, tls=False, root=b"")
        self.loader = Loader(Dialler(target), self, limit=MANY, timeout=float("inf"))

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Process the sockets in the event loop until the block ends."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.loader.fileno(), self.loader.process, 0)
        try:
            yield
        finally:
            loop.remove_reader(self.loader.fileno())

    @contextlib.contextmanager
    def connected(self) -> Iterator["Connection"]:
        """Yield a client, and close its connection at the end of the block."""
        connection = Connection(self.loader)
        try:
            yield connection
        finally:
            self.loader.close(connection, is_good=False)

    async def ask_all(self, requests: Sequence[bytes]) -> list[Answer]:
        """Send requests one after the other, on as few connections as the server allows.

        An answer with `Connection: close` is the last one on its connection.
        """
        answers: list[Answer] = []
        while len(answers) < len(requests):
            with self.connected() as connection:
                for data in requests[len(answers) :]:
                    answers += await connection.ask(data)
                    if answers[-1].head.fields.get(b"connection") == b"close":
                        break
        return answers


class Part:
    """The body of an answer of any status; it may be longer than the answers to phones."""

    def __init__(self) -> None:
        self.left = self.status = 0
        self.data = bytearray()

    def begin(self, head: Head) -> str:
        """Accept any head, and return no fault."""
        self.left, self.status = head.length, head.status
        return ""

    def add(self, data: bytes) -> None:
        """Append bytes; raise ValueError if they are too many."""
        self.left -= len(data)
        self.data += data
        if self.left < 0:
            raise ValueError("more bytes than the answer has")

    def receive(self, wire: Wire) -> int:
        """Receive once, and return the number of bytes."""
        data = wire.recv(PIECE)
        self.add(data)
        return len(data)


class Connection(Exchange):
    """One client and its connection to the server."""

    __slots__ = ("_loader", "_result")

    def __init__(self, loader: Loader) -> None:
        super().__init__()
        self._loader = loader
        self._result: asyncio.Future[list[Answer]]

    def send(self, data: bytes, count: int = 1) -> "asyncio.Future[list[Answer]]":
        """Send `data` and return a future of its `count` answers.

        If `count` is 0, the future fails when the server ends the connection.
        """
        self._result = asyncio.get_running_loop().create_future()
        self._loader.send(self, Node(Line(data, 1), count))
        return self._result

    async def ask(self, data: bytes, count: int = 1) -> list[Answer]:
        """Send requests and return `count` answers; raise OSError if the server ends first."""
        async with asyncio.timeout(PATIENCE):
            return await self.send(data, count)

    async def fetch(self, data: bytes) -> Part:
        """Send a request and return the body of its answer."""
        self.body = part = Part()
        await self.ask(data)
        return part

    async def until_closed(self, data: bytes) -> bytes:
        """Send bytes and return all that are received until the server ends the connection."""
        try:
            await self.ask(data, 0)
        except ConnectionEndedError as error:
            return error.data
        raise AssertionError("answers without a number have no end")

    def drip(self, data: bytes) -> None:
        """Send a part of a request."""
        self._loader.send_part(self, data)

    def reset(self) -> None:
        """Reset the connection without waiting for an answer."""
        self._loader.reset(self)
        if not self._result.cancel():
            self._result.exception()

    def again(self) -> None:
        """Raise AssertionError: no answer is cached, so none can equal a cached one."""
        raise AssertionError

    def answer(self, came: list[Answer]) -> None:
        """Set the result to the answers."""
        if not self._result.done():
            self._result.set_result(came)

    def finish_body(self) -> None:
        """Set the result to an empty list: `body` has the answer."""
        self.answer([])

    def hang_up(self, detail: str) -> None:  # noqa: ARG002 - the error says how much has come
        """Fail with the bytes received before the end."""
        self._fail(ConnectionEndedError(self.buffer))

    def end_early(self, why: Failure, detail: str = "") -> None:
        """Fail with the reason."""
        self._fail(ConnectionError(f"{why}: {detail}"))

    def _fail(self, error: ConnectionError) -> None:
        self._loader.close(self, is_good=False)
        if not self._result.done():
            self._result.set_exception(error)
