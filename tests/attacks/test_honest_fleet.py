"""No limit locks out an honest fleet: phones and servers that were away can still update.

A state from before the limits is opened, healed, and runs for two years. Its builds are then 3,000
counters apart, and phones with any clock ask for them.
"""

import shutil

import pytest

from demo.stage import StageError
from tests.attacks.custody import YEAR
from tests.attacks.poisoned import open_poisoned
from tests.attacks.test_healing import Team


class Fleet(Team):
    """A healed server and its team, two years later."""

    def open(self):
        """Heal the server; two years later release three builds, each 1,000 counters on."""
        super().open()
        self.heal(*(word for role in ("root", "targets") for word in ("--expires", f"{role}=3650")))
        self.stop_server()
        self.pass_time(2 * YEAR)
        self.server("clock", "confirm", "--state", self.server_state)
        super().open()
        for counter in (1001, 2001, 3001):
            self.made = self.make_release("--counter", counter, number=counter)

    def pass_time(self, seconds):
        """Set the clock of all programs forward."""
        self.now += seconds
        self.ahead += seconds

    def copy_phone(self, name):
        """Return a phone that runs build 1 and has been off since."""
        return shutil.copytree(self.poisoned.phone("honest"), self.folder / "phones" / name)

    def install_by(self, name, clock):
        """Let a phone whose clock is `clock` seconds ahead install; returns its new state."""
        now, self.ahead = self.ahead, self.ahead + clock
        try:
            return self.install(self.folder / "phones" / name)
        finally:
            self.ahead = now


@pytest.fixture(scope="module")
def fleet(programs, tmp_path_factory):
    """Yield the server of the scenario `counter`, healed and two years later."""
    stage = Fleet(open_poisoned("counter", tmp_path_factory.mktemp("fleet")), programs)
    try:
        stage.open()
        yield stage
    finally:
        stage.stop_server()


@pytest.mark.parametrize("clock", [0, -YEAR], ids=["right", "a year slow"])
def test_phone_off_for_two_years(fleet, clock):
    """The phone accepts a build 3,000 counters above its own, also with a clock a year slow."""
    fleet.copy_phone(f"off {clock}")
    shown = fleet.install_by(f"off {clock}", clock)
    assert (shown["running"]["incremental"], shown["floor"]) == (fleet.made, 3001)


def test_phone_clock_a_year_ahead(fleet):
    """The phone refuses files that are expired by its clock, stores none, and keeps polling."""
    fleet.copy_phone("ahead")
    with pytest.raises(StageError, match="has expired"):
        fleet.install_by("ahead", YEAR)
    assert fleet.install_by("ahead", 0)["running"]["incremental"] == fleet.made


def test_restored_server(fleet):
    """Phones refuse the older state until a root lists new online keys, then update again."""
    fleet.copy_phone("ahead of the server")
    fleet.stop_server()
    kept = shutil.copytree(fleet.server_state, fleet.folder / "kept")
    fleet.start_server("--gate", "strict")
    fleet.rollout("pause")
    fleet.install_by("ahead of the server", 0)
    fleet.stop_server()
    shutil.rmtree(fleet.server_state)
    shutil.move(kept, fleet.server_state)
    fleet.server("rebuild", "--state", fleet.server_state)
    fleet.start_server("--gate", "strict")
    before = fleet.install_by("ahead of the server", 0)["running"]["incremental"]
    fleet.change_online_keys()
    made = fleet.make_release(number=3002)
    assert before != fleet.install_by("ahead of the server", 0)["running"]["incremental"] == made
