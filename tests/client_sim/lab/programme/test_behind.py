"""Leaks that wait for what lies some polls back, or lasts for a while, are found."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import asking_again, behind, meetings, reading_on, repeats
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import make_batteries
from client_sim.lab.programme.profile import PROFILES, RARE
from client_sim.lab.programme.runner import try_client
from client_sim.lab.servers.memo import memoised
from tests.client_sim.lab.programme.crossing_rows import with_levels

BAD = {"packs": "bad"}
MEETS = {
    "sim-near-bad-pack": BAD,
    "call-near-bad-pack": BAD,
    "disk-behind-install": {"fault": "install"},
    "user-after-failures": {"fault": "install"},
    "login-after-bad-pack": BAD,
    "imei-inside": {"addresses": "private"},
    "host-inside": {"addresses": "private"},
    "subscriber-inside": {"addresses": "private"},
}
"""Without these conditions a client has nothing to tell, in dozens of cases."""


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Check each signature once."""
    with memoised():
        yield


@pytest.mark.parametrize(
    ("mutant", "oracle"),
    [
        (mutant, oracle)
        for module in (asking_again, behind, meetings, reading_on, repeats)
        for mutant in module.MUTANTS
        if mutant.family != "again"  # below
        for oracle in mutant.only
    ],
    ids=lambda each: getattr(each, "id", each),
)
def test_it_is_found_by_either_method(mutant, oracle):
    """By comparing what is varied alone, and where conditions meet."""
    profile = PROFILES["mutant"].only([oracle])
    (battery,) = make_batteries(plan_ground(mutant.make, 1), profile)
    if oracle == "crossed":
        battery = with_levels(battery, 1, MEETS.get(mutant.id, {}))
    assert try_client(mutant.make, (battery,), profile, enough=1).killed_by[0] == oracle


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("latest-after-outage", "faults"),
        ("snapshot-after-outage", "faults"),
        ("snapshot-after-no-name", "faults"),
        ("snapshot-after-failure", "faults"),
        ("targets-now-and-then", "stationarity"),
        ("tables-at-start", "events"),
        ("packs-once-more", "stationarity"),
    ],
)
def test_what_is_held_and_asked_for_again_is_found_in_one_run(name, oracle):
    """Also where all phones do so alike."""
    mutant = find_mutant(name)
    profile = PROFILES["mutant"].only([oracle])
    batteries = make_batteries(plan_ground(mutant.make, 1), profile)
    assert "again" in try_client(mutant.make, batteries, profile).killed_by


@pytest.mark.parametrize("make", [PollingClient, ToyClient])
@pytest.mark.parametrize("oracle", ["timing", "machine", "packs", "events"])
def test_clean_clients_pass(make, oracle):
    """They draw behind all of it as ever."""
    profile = PROFILES["mutant"].only([oracle])
    batteries = make_batteries(plan_ground(make, 1), profile)
    assert sum(battery.size for battery in batteries) == RARE[oracle]
    assert try_client(make, batteries, profile).killed_by == ()
