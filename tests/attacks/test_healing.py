"""Servers and phones poisoned under a version without the limits recover with one root.

Each scenario of `fixtures/poisoned` is opened as it was left. The team copies the thief's version
into its folder, resets the model and changes its key in one proposal, and releases the next build.
"""

import shutil
import time

import pytest

from demo.stage import StageError
from fixtures.signing import CERTIFICATE_FILE
from fixtures.small_package import OtherBuild, small_zip
from tests.attacks.poisoned import open_poisoned, turn_to
from tests.attacks.role_thief import load_role
from tests.turned import TurnedStage

HOUR = 3600
RESOLVE = ("--resolve", "updates.hening.example=127.0.0.1")
CHANNEL = "armani/id/stable"
HONEST = {"clock": 2, "build-time": 2, "counter": 1, "patch-level": 1}
"""The highest counter that the team itself has signed."""


class Team(TurnedStage):
    """The honest team of a scenario, with all of its keys, an hour after the theft."""

    def __init__(self, poisoned, programs) -> None:
        super().__init__(poisoned.folder, programs)
        self.poisoned = poisoned
        self.keys = poisoned.keys
        self.now = poisoned.facts["moment"] + HOUR
        self.ahead = self.now - time.time()

    def open(self) -> None:
        """Start the server as it was left."""
        self.start_server("--gate", "strict")
        self.wait_until_signed()

    def take_over(self) -> None:
        """Copy the thief's publications into the team's folder, as base of the next version."""
        public = self.server_state / "public" / "metadata"
        newest = load_role(public, "armani").signed.version
        known = load_role(self.repo / "metadata", "armani").signed.version
        for version in range(known + 1, newest + 1):
            shutil.copy(public / f"{version}.armani.json", self.repo / "metadata")

    def hand_in(self, *command) -> None:
        """Sign a change with the keys at hand, hand it in, and wait until it is published."""
        before = len(list((self.server_state / "results").iterdir()))
        place = ("--repo", self.repo, "--keys", self.keys, "--out", self.incoming)
        self.signer(*command, *place)
        self.wait_for_published(before + 1)

    def heal(self, *options) -> None:
        """Reset the model and change its key: one root."""
        self.signer("keys", "new", "--keys", self.keys, "armani-3")
        counter = HONEST[self.poisoned.facts["scenario"]]
        keys = ("--add", "armani-3", "--remove", "armani-1")
        self.hand_in("ceremony", "reset", "armani", "--counter", counter, *keys, *options)

    def release(self, *options, number=9) -> str:
        """Make a build after the reset, sign it and offer it to everyone; returns its name.

        It is made an hour ahead: real time has passed, so the reset may be later than `now`.
        """
        build = OtherBuild("armani", "id", number, self.now + HOUR + number, "2026-11-05")
        package = self.packages / f"armani-{number}-full.zip"
        package.write_bytes(small_zip(build))
        place = ("--region", "id", "--channel", "stable", "--certificate", CERTIFICATE_FILE)
        self.hand_in("release", "sign", *place, *options, package)
        self.rollout("offer", "--share", "100%")
        return build.incremental

    def rollout(self, action, *options) -> None:
        """Give a rollout command for the channel, and wait until the server shows its effect."""
        place = ("--state", self.server_state, "--public-url", f"http://127.0.0.1:{self.port}")
        self.server("rollout", action, CHANNEL, *place, *options)

    def install(self, phone):
        """Let a phone install and reboot; returns the build that runs then."""
        turn_to(phone, self.port)
        self.device("install", "--phone", phone, *RESOLVE, "--json")
        return self.device("show", "--phone", phone, "--json")


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
def test_one_root_heals_server_and_phone(team):
    """The next build is published, and the poisoned phone and the honest one install it."""
    team.take_over()
    team.heal()
    made = team.release()
    for name in ("poisoned", "honest"):
        shown = team.install(team.poisoned.phone(name))
        assert shown["running"]["incremental"] == made
        assert shown["clock_floor"] == team.now + HOUR + 9
        assert shown["floor"] == HONEST[team.poisoned.facts["scenario"]] + 1


@pytest.mark.parametrize("team", ["patch-level"], indirect=True)
def test_a_patch_level_that_an_image_states_is_out_of_reach(team):
    """Honest phones update; a phone with the thief's image refuses older ones; `check` is clean."""
    for path in (team.server_state, *team.server_state.rglob("*")):  # modes of an older version
        path.chmod(0o700 if path.is_dir() else 0o600)
    with pytest.raises(StageError):
        team.server("check", "--state", team.server_state)
    team.take_over()
    team.heal()
    made = team.release()
    assert team.install(team.poisoned.phone("honest"))["running"]["incremental"] == made
    with pytest.raises(StageError, match="older security patch level"):
        team.install(team.poisoned.phone("poisoned"))
    assert "no time or counter is ahead" in team.server("check", "--state", team.server_state)
