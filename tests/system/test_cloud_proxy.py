"""The cloud's nginx limits the logins of each address, and nothing else."""

import asyncio
import ssl
from collections import Counter

import aiohttp
import pytest

from tests.nginx import run_cloud_proxy
from tests.server.release.certificate import write_certificate

pytestmark = pytest.mark.needs("nginx")
BURST = 50


async def serve_node(reader, writer):
    """Answer one request with 200, as a node does."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def test_login_rate_limit(tmp_path):
    """After one request and a burst, logins and recovery words get 429; other requests do not."""
    certificate, key, _ = write_certificate(tmp_path, "localhost")
    context = ssl.create_default_context(cafile=certificate)
    node = await asyncio.start_server(serve_node, "127.0.0.1", 0)
    nodes = [node.sockets[0].getsockname()[1]]
    # At one a minute no further login is admitted while the test runs.
    proxy = run_cloud_proxy(nodes, certificate, key, tmp_path / "nginx", rate="1r/m")
    port = await asyncio.to_thread(proxy.__enter__)
    async with aiohttp.ClientSession(f"https://localhost:{port}") as session:

        async def get(path):
            async with session.get(path, ssl=context) as response:
                return response.status

        login, words = "/api/v1/authentication/login_challenge/", "/account/1/recovery/challenge"
        found = Counter([await get((login, words)[number % 2]) for number in range(BURST + 5)])
        assert found == {200: BURST + 1, 429: 4}
        for path in ("/api/v1/collection/", "/account/1/usage", "/blobs/photos/config"):
            assert {await get(path) for _ in range(3)} == {200}
    await asyncio.to_thread(proxy.__exit__, None, None, None)
    node.close()
