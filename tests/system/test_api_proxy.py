"""The control plane's nginx: urgent requests go to their own listener, others to the API."""

import asyncio

import aiohttp
import pytest

from tests.nginx import run_api_proxy
from tests.server.release.urgent_world import urgent_world
from tests.server.world import CHANNEL

pytestmark = pytest.mark.needs("nginx")


async def serve_api(reader, writer):
    """Answer with 418, as an API that is not the urgent listener."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 418 I'm a Teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def test_urgent_requests_have_their_own_listener(world, tmp_path):
    """Halt, pause and cancel go to the urgent listener, by their paths; other requests do not."""
    socket = tmp_path / "urgent.sock"
    headers = {"Authorization": "Bearer engineer", "If-Match": "*"}
    async with urgent_world(world, urgent_socket=str(socket)):
        api = await asyncio.start_server(serve_api, "127.0.0.1", 0)
        proxy = run_api_proxy(api.sockets[0].getsockname()[1], socket, tmp_path / "nginx")
        port = await asyncio.to_thread(proxy.__enter__)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:

            async def post(path):
                async with session.post(f"/api/v1/{path}", json={}) as response:
                    return response.status

            assert await post(f"channels/{CHANNEL}/pause") == 200
            assert await post(f"channels/{CHANNEL}/halt") == 200
            assert await post("changes/0123/cancel") == 404  # no such change exists
            assert await post(f"channels/{CHANNEL}/resume") == 418
            assert await post(f"channels/{CHANNEL}/halt/more") == 418
        await asyncio.to_thread(proxy.__exit__, None, None, None)
        api.close()
