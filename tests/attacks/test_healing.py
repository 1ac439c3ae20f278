"""Servers and phones poisoned under a version without the limits recover with one root.

Each scenario of `fixtures/poisoned` is opened unchanged. The team copies the thief's version into
its folder, resets the model and changes its key in one proposal, and releases the next build.
"""

import time

import pytest

from demo.stage import StageError
from fixtures.small_package import OtherBuild
from tests.attacks.custody import HOUR, Custody
from tests.attacks.poisoned import open_poisoned, set_port

HONEST = {"clock": 2, "build-time": 2, "counter": 1, "patch-level": 1}
"""The highest counter that the team itself signed, by scenario."""


class Team(Custody):
    """The honest team of a scenario, with all of its keys, an hour after the theft."""

    def __init__(self, poisoned, programs) -> None:
        super().__init__(poisoned.folder, programs)
        self.poisoned = poisoned
        self.keys = poisoned.keys
        self.phone = poisoned.phone()
        self.now = poisoned.facts["moment"] + HOUR
        self.ahead = self.now - time.time()

    def open(self) -> None:
        """Start the server with the scenario's state."""
        self.start_server("--gate", "strict")
        self.wait_until_signed()

    def heal(self, *options) -> None:
        """Copy the thief's publications, reset the model and change its key with one root."""
        self.bring_in("armani")
        self.signer("keys", "new", "--keys", self.keys, "armani-3")
        counter = HONEST[self.poisoned.facts["scenario"]]
        keys = ("--add", "armani-3", "--remove", "armani-1")
        self.sign("ceremony", "reset", "armani", "--counter", counter, *keys, *options)

    def make_release(self, *options, number=9) -> str:
        """Make a build after the reset, sign it and offer it to everyone; returns its name.

        It is made an hour ahead: real time has passed, so the reset may be later than `now`.
        """
        build = OtherBuild("armani", "id", number, self.now + HOUR + number, "2026-11-05")
        self.release(self.package(number, build), *options)
        self.offer()
        return build.incremental

    def install(self, phone):
        """Let a phone install and reboot; returns the build that then runs."""
        set_port(phone, self.port)
        self.ask("install", phone=phone)
        return self.show(phone)


@pytest.fixture
def team(request, tmp_path, programs):
    """Open a scenario, on the morning after the theft."""
    stage = Team(open_poisoned(request.param, tmp_path), programs)
    stage.open()
    try:
        yield stage
    finally:
        stage.stop_server()


@pytest.mark.parametrize("team", ["clock", "build-time", "counter"], indirect=True)
def test_one_root_heals_server_and_phones(team):
    """The next build is published, and the poisoned phone and the honest one install it."""
    team.heal()
    made = team.make_release()
    for name in ("poisoned", "honest"):
        shown = team.install(team.poisoned.phone(name))
        assert shown["running"]["incremental"] == made
        assert shown["clock_floor"] == team.now + HOUR + 9
        assert shown["floor"] == HONEST[team.poisoned.facts["scenario"]] + 1


@pytest.mark.parametrize("team", ["patch-level"], indirect=True)
def test_patch_level_of_installed_image(team):
    """A phone with the thief's image refuses lower patch levels; honest phones update."""
    for path in (team.server_state, *team.server_state.rglob("*")):  # modes of an older version
        path.chmod(0o700 if path.is_dir() else 0o600)
    with pytest.raises(StageError):
        team.server("check", "--state", team.server_state)
    team.heal()
    made = team.make_release()
    assert team.install(team.poisoned.phone("honest"))["running"]["incremental"] == made
    with pytest.raises(StageError, match="older security patch level"):
        team.install(team.poisoned.phone("poisoned"))
    assert "no time or counter is ahead" in team.server("check", "--state", team.server_state)
