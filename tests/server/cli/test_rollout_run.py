"""Rollout commands with and without a server: some wait for a bundle, a halt never does."""

import asyncio
import json
import os
import socket
import threading
from datetime import timedelta

import pytest
import structlog

from server.app import running
from server.cli.rollout_run import PATIENCE_SECONDS, wait_for_bundles
from server.publisher.errors import PublishError
from server.publisher.publisher import Publisher
from server.settings import Settings
from server.urgent import opened_in_thread
from tests.server.world import CHANNEL as PLACE
from tests.server.world import PACKAGE_2

CHANNEL = "armani/id/stable"


def test_waiting_without_a_server_ends(world):
    """Without a server, a command stops waiting for a bundle after a minute; the bundle stays.

    A bundle that was processed meanwhile is not waited for.
    """
    paused, messages = [], []
    bundle = world.submit(world.second_release(), [PACKAGE_2])
    waiting = world.folder, [bundle], messages.append, lambda: sum(paused), paused.append
    with pytest.raises(PublishError, match=r"has not published 1 bundle .*start `hening-server"):
        wait_for_bundles(*waiting)
    assert sum(paused) > PATIENCE_SECONDS
    for _ in range(2):  # the second look removes the bundle
        world.run(Publisher.process_incoming)
    paused.clear()
    messages.clear()
    wait_for_bundles(*waiting)
    assert (messages, paused) == ([], [])


def test_offer_waits_for_its_release(run, world, monkeypatch):
    """An offer of a missing release waits for the bundle, and is then tried once more."""
    world.submit(world.second_release(), [PACKAGE_2])
    monkeypatch.setattr("time.sleep", lambda _seconds: world.run(Publisher.process_incoming))
    status, out, err = run(
        "rollout", "offer", CHANNEL, "--share", "100%", "--state", world.folder.root
    )
    assert (status, "(build 2)" in out) == (0, True)
    assert err == f"Waiting for `hening-server run` to take 1 bundle in {world.folder.incoming}.\n"


def test_offer_reports_the_refused_bundle(run, world, monkeypatch):
    """If the bundle does not help, the message has both reasons."""
    world.submit(world.second_release())  # without its package
    monkeypatch.setattr("time.sleep", lambda _seconds: world.run(Publisher.process_incoming))
    words = ("rollout", "offer", CHANNEL, "--share", "100%", "--state", world.folder.root)
    status, _, err = run(*words)
    assert status == 1
    message = err.splitlines()[-1]
    assert "already offers 1 (build 1); offer a later build; the server refused bundle" in message


def test_halt_and_pause_never_wait(run, world):
    """Halts and pauses do not wait for bundles."""
    world.submit(world.second_release(), [PACKAGE_2])
    for command in ("halt", "pause"):
        status, _, err = run("rollout", command, BETA, "--state", world.folder.root)
        assert (status, err.count("\n")) == (1, 1)


def test_offer_waits_for_the_first_publication(run, fresh, monkeypatch):
    """An offer waits for the first publication after a ceremony."""
    fresh.run(Publisher.repair)  # creates the database
    fresh.submit(fresh.first_roles())
    monkeypatch.setattr("time.sleep", lambda _seconds: fresh.run(Publisher.process_incoming))
    status, _, err = run("rollout", "offer", CHANNEL, "--share", "1%", "--state", fresh.folder.root)
    assert (status, [line[:7] for line in err.splitlines()]) == (1, ["Waiting", "hening-"])
    assert "has no release" in err


BETA = "armani/id/beta"


@pytest.fixture
async def served(promoted, world, run, monkeypatch):
    """Return a function that runs a command with a server, and fails if it works directly."""

    def opening():
        return running(world.folder, Settings(port=0, api_port=0), world.now, entropy=os.urandom)

    async def call(*words, direct=False):
        with monkeypatch.context() as patch:
            if not direct:
                patch.setattr("server.cli.rollout_run.open_rollouts", None)
                patch.setattr("server.bootstrap.open_rollouts", None)
            return await asyncio.to_thread(run, *words, "--state", promoted, "--json")

    with structlog.testing.capture_logs():
        async with opened_in_thread("server", opening):
            yield call


async def test_command_through_a_running_server(served, world):
    """With a server, output and refusals are the same as without.

    The command sends the tag that was seen; a stale one is refused. Scheduled commands can be
    cancelled; an unknown one is refused.
    """
    status, _, err = await served("rollout", "pause", CHANNEL, "--if-match", '"0"')
    assert (status, err.startswith("hening-server: ")) == (1, True)
    due = ("--due", f"{world.now() + timedelta(days=30):%Y-%m-%dT%H:%M}+00:00")
    _, out, _ = await served("rollout", "pause", CHANNEL, *due, direct=True)
    (change,) = json.loads(out)["changes"]
    status, out, _ = await served("change", "cancel", change["id"], "--reason", "not now")
    assert (status, json.loads(out)["state"]) == (0, "cancelled")
    status, _, err = await served("change", "cancel", "0" * 32)
    assert (status, "no change" in err) == (1, True)
    status, out, _ = await served("rollout", "pause", CHANNEL)
    assert (status, json.loads(out)["channels"][0]["state"]) == (0, "paused")
    status, out, _ = await served("rollout", "halt", CHANNEL, "--reason", "en=It drains.")
    answer = json.loads(out)
    assert (status, [row["state"] for row in answer["channels"]]) == (0, ["halted"])
    assert answer["changes"][0]["proposed_by"].startswith("cli:")
    assert answer["changes"][0]["snapshot"] == answer["snapshot"]
    published = await asyncio.to_thread(world.published)
    assert [dict(p.reason) for p in published.pointers().values()] == [{"en": "It drains."}]
    assert (await served("rollout", "halt", BETA))[0] == 1


def test_unanswered_command_is_not_repeated(world, run):
    """If the server ends after it received a command, the command is not repeated."""
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


def test_stale_socket_is_ignored(world, run):
    """A socket without a listener is ignored, and the command works directly."""
    world.folder.run.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(world.folder.urgent))
    assert run("rollout", "halt", CHANNEL, "--state", world.folder.root)[0] == 0
