"""The load: kinds of clients, each with its own rate.

A kind is a coroutine that performs one session and returns its result as a word. A word that the
kind does not expect is a failure, which a fault must explain.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from client_sim.fleet.answers import Answer, read_answers
from client_sim.transport import encode_block_request, encode_request
from soak.client import ADDRESS, Clients, ConnectionEndedError

NAME = "updates.example"
HOST = b"Host: updates.example\r\n"
GZIP = HOST + b"Accept-Encoding: gzip\r\n"
TIMESTAMP = b"/metadata/timestamp.json"
#: The headers of a TUF client, of curl and of a browser: other valid spellings than a phone's.
HABITS = (
    HOST + b"User-Agent: python-tuf/7\r\nAccept-Encoding: gzip, deflate, br\r\nAccept: */*\r\n",
    HOST + b"User-Agent: curl/8\r\nAccept: */*\r\n",
    HOST + b"Accept-Language: id\r\nAccept-Encoding: identity\r\nSec-Fetch-Mode: navigate\r\n",
)
REFUSED = (
    b"POST /metadata/timestamp.json HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc",
    b"GET /metadata/timestamp.json?imei=1 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /metadata/timestamp.json HTTP/1.1\r\n" + HOST + b"Cookie: a=1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /metadata/../keys HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET /metadata/timestamp.json HTTP/1.1\r\n" + HOST + b"Accept : a\r\n\r\n",
)
BLOCK = 8 << 20
PIPELINED = 500  # requests in one write, which fits into the socket buffers


@dataclass(frozen=True, slots=True)
class Site:
    """The requested server and paths.

    `package` is the path of a package and `data` its bytes; `poll_paths` are those of a poll.
    """

    port: int
    package: bytes
    data: bytes
    poll_paths: Sequence[str]
    address: str = ADDRESS


class Visitors(Clients):
    """The clients of a site."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.port, site.address)
        self.site = site


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of client.

    At most `clients` are active at the same time, on average `rate` begin per second, and
    `expected` are the words of success.
    """

    name: str
    act: Callable[[Visitors, random.Random], Awaitable[str]]
    clients: int
    rate: float
    expected: frozenset[str]


def get(path: bytes, lines: bytes) -> bytes:
    """Return the bytes of a request."""
    return b"GET " + path + b" HTTP/1.1\r\n" + lines + b"\r\n"


async def poll(visitors: Visitors, _draw: random.Random) -> str:
    """Poll like a phone that finds nothing new, on a new connection."""
    asked = [encode_request(NAME, path) for path in visitors.site.poll_paths]
    return _tell(await visitors.ask_all(asked))


async def pipeline(visitors: Visitors, _draw: random.Random) -> str:
    """Send many requests in one write; return the distinct statuses of the answers.

    The server may end the connection early, with an answer that says so.
    """
    data = get(TIMESTAMP, GZIP) * PIPELINED
    with visitors.connected() as connection:
        try:
            answers = await connection.ask(data, PIPELINED)
        except ConnectionEndedError as error:
            answers = list(read_answers(error.data))
            if not answers or answers[-1].head.fields.get(b"connection") != b"close":
                raise
    return " ".join(sorted({str(each.head.status) for each in answers}))


async def visit(visitors: Visitors, draw: random.Random) -> str:
    """Send requests in another spelling than a phone's on a kept connection, then If-None-Match."""
    habit = draw.choice(HABITS)
    asked = [get(path, habit) for path in (TIMESTAMP, b"/metadata/1.root.json")]
    answers = await visitors.ask_all(asked)
    again = habit + b"If-None-Match: " + answers[-1].head.fields[b"etag"] + b"\r\n"
    answers += await visitors.ask_all([get(b"/metadata/1.root.json", again), asked[0]])
    return _tell(answers)


async def download(visitors: Visitors, draw: random.Random) -> str:
    """Fetch a block or any other range of the package, and compare its bytes."""
    package, data = visitors.site.package.decode(), visitors.site.data
    if draw.random() < 0.5:
        first = draw.randrange(0, len(data), BLOCK)
        last = min(first + BLOCK, len(data)) - 1
    else:
        first = draw.randrange(len(data))
        last = draw.randrange(first, min(first + 1_000_000, len(data)))
    with visitors.connected() as connection:
        part = await connection.fetch(encode_block_request(NAME, package, first, last))
    if part.status == 206 and part.data != data[first : last + 1]:
        return "other bytes"
    return str(part.status)


async def refused(visitors: Visitors, draw: random.Random) -> str:
    """Send a request outside the language; the server must refuse it once and disconnect."""
    with visitors.connected() as connection:
        data = await connection.until_closed(draw.choice(REFUSED))
    if not data:
        return "no answer"
    return "400" if data.count(b" 400 Bad Request\r\n") == 1 else "no refusal"


async def slow(visitors: Visitors, _draw: random.Random) -> str:
    """Send a request with one byte per second; the server must close the connection."""
    with visitors.connected() as connection:
        end = connection.send(b"", 0)
        for byte in get(TIMESTAMP, HOST):
            connection.drip(bytes([byte]))
            if await _is_closed_within(end, 1.0):
                return "cut"
    return "never cut"


async def silent(visitors: Visitors, _draw: random.Random) -> str:
    """Send nothing; the server must close the connection."""
    with visitors.connected() as connection:
        data = await connection.until_closed(b"")
    return "cut" if not data else "an answer to nothing"


async def reset(visitors: Visitors, draw: random.Random) -> str:
    """Send a request, whole or in part, and reset the connection within 50 ms."""
    package = visitors.site.package
    with visitors.connected() as connection:
        data = draw.choice([get(TIMESTAMP, HOST), get(package, HOST), b"GET /"])
        await asyncio.wait([connection.send(data, 0)], timeout=draw.random() * 0.05)
        connection.reset()
    return "gone"


async def _is_closed_within(end: "asyncio.Future[list[Answer]]", seconds: float) -> bool:
    await asyncio.wait([end], timeout=seconds)
    return end.done() and isinstance(end.exception(), OSError)


def _tell(answers: Sequence[Answer]) -> str:
    return " ".join(str(each.head.status) for each in answers)


KINDS = (
    Kind("phones' polls", poll, 32, 200.0, frozenset({"404 200"})),
    Kind("pipelines", pipeline, 50, 20.0, frozenset({"200"})),
    Kind("other clients", visit, 16, 50.0, frozenset({"200 200 304 200"})),
    Kind("downloads", download, 8, 20.0, frozenset({"206"})),
    Kind("refused", refused, 16, 100.0, frozenset({"400"})),
    Kind("slow", slow, 100, 10.0, frozenset({"cut"})),
    Kind("silent", silent, 100, 10.0, frozenset({"cut"})),
    Kind("resets", reset, 8, 20.0, frozenset({"gone"})),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An unexpected result of a client; times are in seconds since the start of the run."""

    kind: str
    word: str
    begin: float
    end: float


class Load:
    """Runs all kinds of clients and counts their results."""

    def __init__(self, site: Site, seed: int, kinds: tuple[Kind, ...] = KINDS) -> None:
        self.counts: dict[str, dict[str, int]] = {kind.name: {} for kind in kinds}
        self.failures: list[Failure] = []
        self._visitors = Visitors(site)
        self._kinds: Mapping[str, Kind] = {kind.name: kind for kind in kinds}
        self._draw = random.Random(seed)
        self._begun = 0.0

    async def run(self, begun: float, stop: asyncio.Event) -> None:
        """Begin clients until `stop`, then wait for the active ones.

        `begun` is the start of the run by the loop's clock.
        """
        self._begun = begun
        async with self._visitors.working(), asyncio.TaskGroup() as group:
            for kind in self._kinds.values():
                group.create_task(self._pace(kind, stop))

    async def _pace(self, kind: Kind, stop: asyncio.Event) -> None:
        """Begin clients of a kind at its rate, while fewer than its maximum are active."""
        room = asyncio.Semaphore(kind.clients)
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                await asyncio.sleep(self._draw.expovariate(kind.rate))
                await room.acquire()
                task = group.create_task(self._one(kind))
                task.add_done_callback(lambda _task: room.release())

    async def _one(self, kind: Kind) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time() - self._begun
        try:
            word = await kind.act(self._visitors, self._draw)
        except (OSError, EOFError, TimeoutError) as error:
            word = type(error).__name__
        counts = self.counts[kind.name]
        counts[word] = counts.get(word, 0) + 1
        if word not in kind.expected:
            self.failures.append(Failure(kind.name, word, begin, loop.time() - self._begun))
