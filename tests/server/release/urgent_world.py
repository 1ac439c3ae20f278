"""The urgent listener on a real socket, with an account per role, and raw requests."""

import asyncio
import contextlib
import dataclasses
import json

from prometheus_client import CollectorRegistry

from server.release.api.urgent import serving_urgent
from server.release.errors import AuthenticationError
from server.settings import Settings
from tests.server.release.api_world import api_world, role_principals
from tests.server.world import CHANNEL

HALT = f"/api/v1/channels/{CHANNEL}/halt"
PRINCIPALS = role_principals()
PRINCIPALS["other"] = dataclasses.replace(PRINCIPALS["engineer"], codenames=("another",))


class Urgent:
    """The urgent listener on its port and on the commands' socket, with raw requests."""

    def __init__(self, services, port, registry):
        self.services = services
        self.port = port
        self.registry = registry
        self.looked_up = asyncio.Queue()

    async def connect(self):
        """Open a connection to the port."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, head, body=b"", streams=None):
        """Send a request's head lines and body; return status and document."""
        reader, writer = streams or await self.connect()
        lines = [*head, "Host: a", f"Content-Length: {len(body)}", "Content-Type: application/json"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        return await read_answer(reader, writer)

    async def send_head(self, path, token, *lines, body=b""):
        """Send a request's head, and a part of its body, on a new connection."""
        reader, writer = await self.connect()
        head = [f"POST {path} HTTP/1.1", "Host: a", *lines, "Content-Type: application/json"]
        head += [f"Authorization: Bearer {token}"] if token else []
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        return reader, writer

    async def halt(self, token="engineer", body=b"{}", path=HALT):
        """Send a halt with a token."""
        return await self.ask([f"POST {path} HTTP/1.1", f"Authorization: Bearer {token}"], body)


async def read_answer(reader, writer):
    """Read an answer to the end of the connection, which the server closes."""
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


@contextlib.asynccontextmanager
async def urgent_world(world, verify=None, say=None, **settings):
    """Serve urgent requests on a state; the token `ROLE` belongs to that role's account."""
    registry = CollectorRegistry()
    async with api_world(world) as api:
        services = dataclasses.replace(
            api.services, settings=Settings(api_port=0, urgent_port=0, **settings)
        )
        looked_up = asyncio.Queue()

        async def look_up(secret):
            looked_up.put_nowait(secret)
            await asyncio.sleep(0)
            if secret not in PRINCIPALS:
                raise AuthenticationError("This needs a valid token: ask an admin for one.")
            return PRINCIPALS[secret]

        async with serving_urgent(
            services, registry, say or world.alarms.append, verify or look_up
        ) as port:
            made = Urgent(services, port, registry)
            made.looked_up = looked_up
            yield made
