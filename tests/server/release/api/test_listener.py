"""The API's listener: an early answer and the rest of the request."""

import asyncio

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from server.release.api import listener
from tests.server.release.api.toys import operation
from tests.server.release.api_world import api_world


class Transport(asyncio.Transport):
    """Records when reading is paused and resumed."""

    def __init__(self, is_reading=True):
        super().__init__()
        self.steps = []
        self._is_reading = is_reading

    def is_reading(self):
        """Return whether reading was not paused by other code."""
        return self._is_reading

    def pause_reading(self):
        """Record a pause."""
        self.steps.append("pause")

    def resume_reading(self):
        """Record a resumption."""
        self.steps.append("resume")


@pytest.mark.parametrize(
    ("is_whole", "is_reading", "steps"),
    [(True, True, ["pause", "resume"]), (False, True, ["pause"]), (True, False, [])],
    ids=["whole", "cut off", "paused by aiohttp"],
)
async def test_incomplete_body_is_not_read_after_the_answer(
    monkeypatch, is_whole, is_reading, steps
):
    """After an early answer the rest of the body is not read, and the connection ends.

    If aiohttp has paused reading because of pipelined requests, it resumes itself.
    """
    monkeypatch.setattr(listener, "DELAY_SECONDS", 0)
    loop = asyncio.get_running_loop()
    payload = StreamReader(BaseProtocol(loop), 1024, loop=loop)
    if is_whole:
        payload.feed_eof()
    transport, response = Transport(is_reading=is_reading), web.Response()
    request = make_mocked_request("POST", "/", payload=payload, transport=transport)
    await listener.delay_answer(request, response)
    assert transport.steps == steps
    assert response.keep_alive is (None if is_whole else False)


class Refusing:
    """Answers each request with 401, and keeps it."""

    def fail(self, error):
        """Answer a request that cannot be parsed."""
        return web.Response(status=error.status, body=str(error).encode())

    async def handle(self, request):
        """Refuse a request."""
        self.request = request
        return web.Response(status=401)


def refusing(api):
    """Listen with an API that refuses every request."""
    return listener.listening(
        api, "127.0.0.1", 0, None, connections=8, refusals=50, count_limit=print
    )


async def test_chunks_of_a_refused_body_are_not_parsed(monkeypatch):
    """The sender of a refused chunked body gets the answer while it sends."""
    monkeypatch.setattr(listener, "LINGER_SECONDS", 0.2)
    api = Refusing()
    async with refusing(api) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"1\r\na\r\n" * 1000 + b"0\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in answer
    assert api.request.content.total_bytes == 0


async def test_limit_of_the_whole_head():
    """A request's head is limited as a whole, so that many long lines are refused."""
    line = b"A: " + b"a" * 8000 + b"\r\n"
    async with refusing(Refusing()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + line * 7)
        await writer.drain()
        writer.write(b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + line * 9)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert b"Connection: close" in head
        assert body == listener.HEAD_TOO_LARGE.encode()
        writer.write(line + b"\r\n")
        await writer.drain()
        writer.close()


LENGTH = 64 << 20
REQUEST = b"GET /api/v1/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin\r\n\r\n"


def streaming(ended):
    """Return an operation that streams; the exception that ends it goes to `ended`."""

    async def stream(call):
        """Stream without an end."""
        response = web.StreamResponse()
        try:
            await response.prepare(call.request)
            for _ in range(LENGTH >> 20):
                await response.write(bytes(1 << 20))
            await response.write_eof()
        except BaseException as error:
            ended.set_result(type(error))
            raise
        ended.set_result(None)
        return response

    return operation("GET", "/stream", stream, raw=True, response_type="text/plain")


async def test_client_that_reads_nothing_is_disconnected(fresh, monkeypatch):
    """If a client reads nothing, the streaming handler ends and the connection is closed."""
    monkeypatch.setattr(listener, "STALL_SECONDS", 0.2)
    ended = asyncio.get_running_loop().create_future()
    async with api_world(fresh, (streaming(ended),)) as api:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1024)
        writer.write(REQUEST)
        assert issubclass(await ended, ConnectionError)
        writer.transport.abort()
