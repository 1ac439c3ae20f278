"""A client that does not read its answer is cut off, and one that reads slowly is not."""

import asyncio

from aiohttp import web

from server.release.api import listener
from tests.server.release.api.toys import operation
from tests.server.release.api_world import api_world

LENGTH = 64 << 20
REQUEST = b"GET /api/v1/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin\r\n\r\n"


def streaming(ended):
    """Return an operation that streams; its handler's exception goes to `ended`."""

    async def stream(call):
        """Stream."""
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


async def test_who_reads_nothing_is_cut_off(fresh, monkeypatch):
    """The handler ends and releases its resources; the connection is closed."""
    monkeypatch.setattr(listener, "STALL_SECONDS", 0.2)
    ended = asyncio.get_running_loop().create_future()
    async with api_world(fresh, (streaming(ended),)) as api:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1024)
        writer.write(REQUEST)
        assert issubclass(await ended, ConnectionError)
        writer.transport.abort()


async def test_who_reads_gets_it_all(fresh, monkeypatch):
    """However often the answer has to wait, each byte arrives."""
    monkeypatch.setattr(listener, "STALL_SECONDS", 30)
    ended = asyncio.get_running_loop().create_future()
    async with api_world(fresh, (streaming(ended),)) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1 << 16)
        writer.write(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = 0
        while piece := await reader.read(1 << 20):
            received += len(piece)
        writer.close()
        assert (await ended, received > LENGTH) == (None, True)
