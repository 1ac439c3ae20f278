"""Halts, pauses and cancellations while a server runs on the state."""

import asyncio
import json
import os
import socket
import threading
from datetime import timedelta

import pytest
import structlog

from server.app import running
from server.loop_thread import opened_in_thread
from server.settings import Settings
from tests.server.ceremony import release
from tests.server.world import CHANNEL as PLACE
from tests.server.world import PACKAGE_1, PACKAGE_2

CHANNEL, BETA = "armani/id/stable", "armani/id/beta"


@pytest.fixture
async def served(world, run, monkeypatch):
    """Give a function that runs a command beside a server, and fails if it works directly."""
    files = {
        f"{channel}/armani-{number}.zip": (data, release(number))
        for channel in (CHANNEL, BETA)
        for number, data in ((1, PACKAGE_1), (2, PACKAGE_2))
    }
    role = world.ceremony.role("armani", 3, files)
    await asyncio.to_thread(world.publish, {("armani", 3): role}, [PACKAGE_2])

    def opening():
        return running(world.folder, Settings(port=0, api_port=0), world.now, entropy=os.urandom)

    async def call(*words, direct=False):
        with monkeypatch.context() as patch:
            if not direct:
                patch.setattr("server.cli.rollout_run.open_rollouts", None)
                patch.setattr("server.bootstrap.open_rollouts", None)
            return await asyncio.to_thread(run, *words, "--state", world.folder.root, "--json")

    with structlog.testing.capture_logs():
        async with opened_in_thread("server", opening):
            yield call


async def test_the_server_halts_for_a_command(served, world):
    """The output is the same as without a server; a channel without an offer fails."""
    status, out, _ = await served("rollout", "halt", CHANNEL, "--reason", "en=It drains.")
    told = json.loads(out)
    assert (status, [row["state"] for row in told["channels"]]) == (0, ["halted"])
    assert told["changes"][0]["proposed_by"].startswith("cli:")
    assert told["changes"][0]["snapshot"] == told["snapshot"]
    published = await asyncio.to_thread(world.published)
    assert [dict(p.reason) for p in published.pointers().values()] == [{"en": "It drains."}]
    assert (await served("rollout", "halt", BETA))[0] == 1


async def test_the_server_pauses_for_a_command(served):
    """The command carries the tag that was seen; a stale one is refused as without a server."""
    status, _, err = await served("rollout", "pause", CHANNEL, "--if-match", '"0"')
    assert (status, err.startswith("hening-server: ")) == (1, True)
    status, out, _ = await served("rollout", "pause", CHANNEL)
    assert (status, json.loads(out)["channels"][0]["state"]) == (0, "paused")


async def test_the_server_cancels_for_a_command(served, world):
    """A command that waits for its time is cancelled; an unknown one is refused."""
    due = ("--due", f"{world.now() + timedelta(days=30):%Y-%m-%dT%H:%M}+00:00")
    _, out, _ = await served("rollout", "pause", CHANNEL, *due, direct=True)
    (change,) = json.loads(out)["changes"]
    status, out, _ = await served("change", "cancel", change["id"], "--reason", "not now")
    assert (status, json.loads(out)["state"]) == (0, "cancelled")
    status, _, err = await served("change", "cancel", "0" * 32)
    assert status == 1
    assert "no change" in err


def test_a_server_that_takes_it_and_ends(world, run):
    """The command does not repeat it: it says where to look."""
    world.folder.run.mkdir()

    def answer(listener):
        with listener.accept()[0] as one:
            one.recv(65_536)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(world.folder.urgent))
        listener.listen()
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        status, _, err = run("rollout", "halt", CHANNEL, "--state", world.folder.root)
        thread.join()
    assert (status, "change list" in err) == (3, True)
    assert not world.published().pointers()[PLACE.pointer_path].halted


def test_a_server_that_has_ended(world, run):
    """A socket without a listener is ignored: the command works directly."""
    world.folder.run.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(world.folder.urgent))
    assert run("rollout", "halt", CHANNEL, "--state", world.folder.root)[0] == 0
