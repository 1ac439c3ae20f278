"""Halts are answered while the rest of the process is blocked."""

import asyncio
import http.client
import json
import os
import threading

import pytest

from server.app import running
from server.publisher.lease import Lease
from server.release.auth.accounts import create_account
from server.release.auth.principal import Role, command_line_principal
from server.release.auth.tokens import create_token
from server.settings import Settings
from server.storage.database import open_database
from server.urgent import opened_in_thread
from tests.server.publisher.test_lease import urgent_until
from tests.server.test_app import until
from tests.server.world import CHANNEL

HALT = f"/api/v1/channels/{CHANNEL}/halt"
DEADLINE = 60.0  # seconds; a halt that waited for the blocked loop would never end


async def make_token(world, role=Role.ENGINEER):
    """Return a token of a new account with `role`."""
    who, at = command_line_principal("test"), world.epoch()
    async with open_database(world.folder.database) as sessions, sessions.begin() as session:
        await create_account(session, who, name=role, role=role, codenames=["*"], at=at)
        expires = at + 86_400
        token = await create_token(
            session, who, os.urandom, account=role, label="test", expires_at=expires, at=at
        )
    return token.text


def post(port, path, token, body):
    """Return status and document of a POST."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


@pytest.fixture
async def standing(world):
    """Yield the urgent port and a token of a server whose loop stays blocked during the test."""
    token = await make_token(world)
    ports, blocked, go_on = [], threading.Event(), threading.Event()

    def block():
        blocked.set()
        go_on.wait(2 * DEADLINE)

    settings = Settings(port=0, api_port=0, urgent_port=0)

    def opening():
        return running(
            world.folder, settings, world.now, entropy=os.urandom, announce_urgent=ports.append
        )

    async with opened_in_thread("server", opening) as (loop, _):
        loop.call_soon_threadsafe(block)
        await asyncio.to_thread(blocked.wait)
        yield ports[0], token
        go_on.set()


async def test_halt_does_not_wait_for_the_main_loop(world, standing):
    """While the server's main loop is blocked, a halt is answered and published."""
    port, token = standing
    status, answer = await asyncio.to_thread(post, port, HALT, token, {})
    assert (status, answer["channel"]["state"]) == (200, "halted")
    published = await asyncio.to_thread(world.published)
    assert published.pointers()[CHANNEL.pointer_path].halted


async def test_other_publishers_let_halt_go_first(world, standing, tmp_path):
    """A halt that waits for another process's publisher asks the others to let it go first."""
    port, token = standing
    async with open_database(world.folder.database) as sessions:
        async with Lease(sessions, tmp_path / "lock of another machine").held():
            halt = asyncio.create_task(asyncio.to_thread(post, port, HALT, token, {}))
            await until(lambda: urgent_until(sessions))
        status, _ = await halt
    assert status == 200
