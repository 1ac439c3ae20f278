"""Where conditions meet, clients that wait for two of them are found, and clean ones pass."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import CROSSINGS
from client_sim.lab.programme.batteries.crossed import crossed
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import make_batteries
from client_sim.lab.programme.profile import PROFILES
from client_sim.lab.programme.runner import try_client
from client_sim.lab.programme.setting import observe
from client_sim.lab.servers.memo import memoised
from client_sim.lab.trace.observation import Channel
from tests.client_sim.lab.programme.crossing_rows import with_levels

FOUND_BY = {
    "call-package-beneath": {"crossed", "writes"},
    "call-refusal-package-beneath": {"crossed", "writes"},
    "reset-package-beneath": {"crossed", "tripwire", "writes"},
    "text-retry": {"crossed"},
    "login-failures-minute": {"crossed"},
    "tag-after-restart": {"crossed", "grammar"},
    "wait-after-pause": {"crossed", "grammar"},
    "reset-soon": {"schedule"},
    "reset-owner": {"crossed", "grammar", "tripwire"},
    "reset-time": {"crossed", "tripwire"},
}
BY_ID = {mutant.id: mutant for mutant in CROSSINGS}
MEETS = {"call-refusal-package-beneath": {"fault": "unreached"}}
"""Without these conditions a client has nothing to tell, in dozens of cases."""


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Check each signature once."""
    with memoised():
        yield


@pytest.mark.parametrize("mutant_id", FOUND_BY)
def test_who_waits_for_two_things_is_found(mutant_id):
    """Each condition alone shows nothing; together they do."""
    mutant = BY_ID[mutant_id]
    profile = PROFILES["mutant"].only(mutant.only)
    (battery,) = make_batteries(plan_ground(mutant.make, 0), profile)
    battery = with_levels(battery, 0, MEETS.get(mutant_id, {}))
    trial = try_client(mutant.make, (battery,), profile, enough=len(FOUND_BY[mutant_id]))
    assert set(trial.killed_by) == FOUND_BY[mutant_id]


def test_everyone_is_here():
    """None is forgotten."""
    assert set(FOUND_BY) == set(BY_ID)


@pytest.mark.parametrize(
    ("make", "size"), [(PollingClient, 16), (FollowingToy, 48), (ToyClient, 48)]
)
def test_clean_clients_pass(make, size):
    """They keep their due time, and what a server or a life brings changes nothing."""
    profile = PROFILES["quick"].only(["crossed"])
    battery = crossed(plan_ground(make, 2), size)
    assert try_client(make, (battery,), profile).killed_by == ()


def test_phones_of_a_case_differ_in_owner_server_and_noise_alone():
    """Model, clock and randomness are one; the second lives in silence."""
    battery = crossed(plan_ground(PollingClient, 1), 48)
    for number in range(48):
        one, silent, third, last = battery.make(number).settings
        assert len({each.personal.imei for each in (one, silent, third, last)}) == 4
        assert len({each.machine.host for each in (one, silent, third, last)}) == 4
        assert one.scenario == third.scenario
        assert (one.public, one.start, one.entropy) == (third.public, third.start, third.entropy)
        assert "reboot" not in silent.scenario.steps


def test_nothing_that_is_crossed_makes_the_real_client_fall_over():
    """It installs in some of the runs, and a fault ends a poll, never the run."""
    battery = crossed(plan_ground(PollingClient, 1), 48)
    runs = [observe(PollingClient, battery.make(number).settings[0]) for number in range(16)]
    assert not any(d.channel is Channel.CRASH for run in runs for d in run.departures)
    assert any(b"/targets/armani/" in c.data for run in runs for c in run.connections())
    assert len({outcome for run in runs for outcome in run.outcomes}) > 6
