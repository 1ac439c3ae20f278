"""A rollout command waits for the bundle that it may depend on."""

import pytest

from server.cli.rollout_run import PATIENCE_SECONDS, wait_for_bundles
from server.publisher.errors import PublishError
from server.publisher.incoming import list_submissions
from server.publisher.publisher import Publisher
from tests.server.world import PACKAGE_2

CHANNEL = "armani/id/stable"


class Waiter:
    """A clock that each pause advances, and a server's actions during the first two pauses."""

    def __init__(self, meanwhile=lambda: None):
        self.now, self.said, self.meanwhile = 0.0, [], [meanwhile, meanwhile]

    def pause(self, seconds):
        """Advance the time by `seconds`."""
        self.now += seconds
        if self.meanwhile:
            self.meanwhile.pop()()

    def wait(self, folder, waiting=None):
        """Wait for `waiting`, by default for the bundles in a state folder."""
        waiting = waiting or list_submissions(folder.incoming)
        wait_for_bundles(folder, waiting, self.said.append, lambda: self.now, self.pause)


def test_what_was_taken_meanwhile_is_not_waited_for(world):
    """It prints nothing then, and returns without a pause."""
    identity = world.submit(world.second_release(), [PACKAGE_2])
    for _ in range(2):  # the second look removes the bundle
        world.run(Publisher.process_incoming)
    waiter = Waiter()
    waiter.wait(world.folder, [identity])
    assert (waiter.said, waiter.now) == ([], 0)


def test_a_bundle_is_waited_for(world):
    """A running server takes it meanwhile."""
    world.submit(world.second_release(), [PACKAGE_2])
    waiter = Waiter(lambda: world.run(Publisher.process_incoming))
    waiter.wait(world.folder)
    assert waiter.said == [
        f"Waiting for `hening-server run` to take 1 bundle in {world.folder.incoming}."
    ]
    assert 0 < waiter.now < 1


def test_a_refused_bundle_is_named_with_its_reason(world):
    """Otherwise the command would be refused for another, misleading reason."""
    world.submit(world.second_release())  # without its package
    with pytest.raises(PublishError, match=r"the server refused bundle [0-9a-f]{16}: .*not here"):
        Waiter(lambda: world.run(Publisher.process_incoming)).wait(world.folder)


def test_without_a_server_it_ends(world):
    """It gives up after a minute and says what to do; the bundle stays."""
    world.submit(world.second_release(), [PACKAGE_2])
    waiter = Waiter()
    with pytest.raises(PublishError, match=r"1 bundle .* is not published.*start `hening-server"):
        waiter.wait(world.folder)
    assert waiter.now > PATIENCE_SECONDS


def test_an_offer_waits_for_its_release(run, world, monkeypatch):
    """It is refused because the release is missing, waits, and is tried once more."""
    world.submit(world.second_release(), [PACKAGE_2])
    monkeypatch.setattr("time.sleep", lambda _seconds: world.run(Publisher.process_incoming))
    status, out, err = run(
        "rollout", "offer", CHANNEL, "--share", "100%", "--state", world.folder.root
    )
    assert (status, err.count("Waiting for `hening-server run`")) == (0, 1)
    assert "(build 2)" in out


def test_an_offer_that_waited_in_vain_says_both(run, world, monkeypatch):
    """The message has the reason of the refusal and the result of the bundle."""
    world.submit(world.second_release())  # without its package
    monkeypatch.setattr("time.sleep", lambda _seconds: world.run(Publisher.process_incoming))
    words = ("rollout", "offer", CHANNEL, "--share", "100%", "--state", world.folder.root)
    status, _, err = run(*words)
    assert status == 1
    said = err.splitlines()[-1]
    assert "already offers 1 (build 1); offer a later build; the server refused bundle" in said


@pytest.mark.parametrize("command", ["halt", "pause"])
def test_what_stops_things_never_waits(run, world, command):
    """Halts and the like run, or are refused, immediately, whatever is in `incoming`."""
    world.submit(world.second_release(), [PACKAGE_2])
    status, _, err = run("rollout", command, "armani/id/beta", "--state", world.folder.root)
    assert (status, err.count("\n")) == (1, 1)


def test_a_command_that_is_wrong_waits_for_nothing(run, world):
    """Without a waiting bundle it is refused as usual."""
    status, _, err = run(
        "rollout", "offer", CHANNEL, "--share", "100%", "--state", world.folder.root
    )
    assert (status, err.count("\n")) == (1, 1)
    assert "already offers 1 (build 1)" in err


def test_an_offer_waits_for_its_model(run, fresh, monkeypatch):
    """Right after a ceremony nothing is published yet."""
    first = fresh.ceremony.first()
    first["root", 1] = fresh.folder.trusted_root.read_bytes()
    fresh.run(Publisher.repair)  # creates the database
    fresh.submit(first)
    monkeypatch.setattr("time.sleep", lambda _seconds: fresh.run(Publisher.process_incoming))
    status, _, err = run("rollout", "offer", CHANNEL, "--share", "1%", "--state", fresh.folder.root)
    assert status == 1
    assert [line[:7] for line in err.splitlines()] == ["Waiting", "hening-"]
    assert "has no release" in err
