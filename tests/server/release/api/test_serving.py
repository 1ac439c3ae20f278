"""The control plane in the running process."""

import asyncio
import os

import aiohttp
import pytest

import server.app
from server import publish_loop
from server.app import running
from server.core.errors import FormatError
from server.publisher.publisher import Publisher
from server.release.api.operation import Reply
from server.release.people.accounts import create_account
from server.release.people.permissions import Role
from server.release.people.principal import command_line_principal
from server.release.people.tokens import create_token
from server.settings import Settings
from server.storage.database import open_database
from server.storage.errors import StorageError
from tests.server.release.api.toys import Toy, operation
from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_2

ON = Settings(port=0, api_port=0)


@pytest.fixture
def published(monkeypatch):
    """Give a queue of what becomes of submissions."""
    results, process = asyncio.Queue(), Publisher.process_incoming

    async def process_incoming(publisher):
        found = await process(publisher)
        for result in found:
            results.put_nowait(result.status)
        return found

    monkeypatch.setattr(Publisher, "process_incoming", process_incoming)
    return results


async def issue(world):
    """Make an account with a token on the server; return the token."""
    operator, at = command_line_principal("root"), world.epoch()
    async with open_database(world.folder.database) as sessions, sessions.begin() as session:
        await create_account(
            session, operator, name="ann", role=Role.VIEWER, codenames=["*"], at=at
        )
        made = await create_token(
            session,
            operator,
            os.urandom,
            account="ann",
            label="test",
            expires_at=at + 3600,
            at=at,
        )
    return made.text


async def test_a_token_of_the_database(world):
    """The process serves the API on a port of its own, and takes the tokens that were issued."""
    token = await issue(world)
    ports = []
    async with (
        running(world.folder, ON, world.now, entropy=os.urandom, announce_api=ports.append) as port,
        aiohttp.ClientSession() as session,
    ):
        assert ports != [port]
        url = f"http://127.0.0.1:{ports[0]}/api/v1"
        for given, status in ((token, 200), (token[:-1] + "x", 401), ("", 401)):
            headers = {"Authorization": f"Bearer {given}"}
            async with session.get(f"{url}/status", headers=headers) as response:
                assert response.status == status
        async with session.get(f"http://127.0.0.1:{port}/api/v1/health") as response:
            assert response.status == 400  # no path of the device plane
        async with session.get(
            f"{url.removesuffix('/api/v1')}/metadata/timestamp.json"
        ) as response:
            assert response.status == 404


async def test_without_a_port_it_does_not_listen(world, published):
    """No setting, no API, and everything else goes on."""
    ports = []
    off = Settings(port=0)
    async with running(world.folder, off, world.now, entropy=os.urandom, announce_api=ports.append):
        await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
        assert await published.get() == "published"
    assert ports == []


async def test_tokens_never_cross_a_network_in_the_clear(world):
    """The process does not start where they would."""
    settings = Settings(port=0, api_port=0, api_host="0.0.0.0")
    with pytest.raises(FormatError, match="in the clear"):
        async with running(world.folder, settings, world.now, entropy=os.urandom):
            raise AssertionError


async def test_a_port_in_use(world):
    """It is said which setting to change."""
    taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    settings = Settings(port=0, api_port=port)
    async with taken:
        with pytest.raises(StorageError, match="choose another api_port"):
            async with running(world.folder, settings, world.now, entropy=os.urandom):
                raise AssertionError


async def test_what_wakes_the_publisher(world, monkeypatch, published):
    """A submission over the API is published at once and not at the next look."""
    monkeypatch.setattr(publish_loop, "TICK_SECONDS", 3600.0)
    wakes, serving = [], server.app.serving

    def watched(services, registry, **options):
        wakes.append(services.wake)
        return serving(services, registry, **options)

    monkeypatch.setattr(server.app, "serving", watched)
    async with running(world.folder, ON, world.now, entropy=os.urandom):
        await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
        wakes[0]()
        assert await published.get() == "published"


async def test_the_end_waits_for_handlers(fresh):
    """What is under way when the server is asked to end is finished and answered."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(call):
        """Wait."""
        begun.set()
        await release.wait()
        return Reply(call.body)

    body = b'{"name":"bear","colour":"red"}'
    head = (
        "POST /api/v1/slow HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    operations = (operation("POST", "/slow", slow, request=Toy, response=Toy),)
    async with api_world(fresh, operations) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(head.encode() + body)
        await begun.wait()
        asyncio.get_running_loop().call_later(0.1, release.set)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
