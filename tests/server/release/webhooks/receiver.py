"""A webhook receiver on loopback, which verifies messages with its own code."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Receiver:
    """Received messages, and the answer to send: a status, after an optional coroutine."""

    url: str = ""
    secret: str = ""
    status: int = 204
    headers: dict = field(default_factory=dict)
    before: object = None
    received: list = field(default_factory=list)
    ids: list = field(default_factory=list)
    raw: list = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, count):
        """Wait until this many messages have arrived."""
        while len(self.ids) < count:
            self.arrived.clear()
            await self.arrived.wait()

    async def handle(self, request):
        """Verify and store a message."""
        body = await request.read()
        self.raw.append((request.method, dict(request.headers), body))
        if self.secret:
            key = base64.b64decode(self.secret.partition("_")[2])
            text = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
            digest = hmac.digest(key, text.encode() + body, hashlib.sha256)
            expected = "v1," + base64.b64encode(digest).decode()
            assert expected in request.headers["webhook-signature"].split(" ")
        self.ids.append(request.headers["webhook-id"])
        self.received.append(json.loads(body))
        self.arrived.set()
        if self.before is not None:
            await self.before(request)
        return web.Response(status=self.status, headers=self.headers)


@contextlib.asynccontextmanager
async def receiving(tls=None):
    """Yield a receiver that listens during the block."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    scheme = "http" if tls is None else "https"
    receiver.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await asyncio.wait_for(runner.cleanup(), 5)
