"""Clients that wait for what one battery alone has: a split, an offer that does not come."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.mutants.library import EQUIVALENTS, MUTANTS, find_mutant
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import Plan, make_batteries
from client_sim.lab.programme.profile import PROFILES, RARE
from client_sim.lab.programme.runner import try_client
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.workers import try_mutant
from client_sim.lab.servers.memo import memoised

KILLERS = {
    "part-in-two-beneath": ("split", "writes"),
    "part-closed-twice-beneath": ("split",),
    "install-closed-twice-beneath": ("installs",),
    "failed-install-report-beneath": ("install-faults", "grammar", "tripwire"),
    "failed-install-pieces-beneath": ("install-faults", "tripwire", "writes"),
    "install-if-range-beneath": ("grammar", "install-state"),
    "install-wait-beneath": ("install-state", "writes"),
    "same-noting-refusals": (),
}


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Check each signature once."""
    with memoised():
        yield


@pytest.mark.parametrize("mutant_id", KILLERS)
def test_who_finds_a_client_that_waits(mutant_id):
    """A split is met in one battery, and few guards mind what they do; harmless ones pass."""
    mutant = find_mutant(mutant_id)
    profile = PROFILES["mutant"].only(mutant.only)
    batteries = make_batteries(plan_ground(mutant.make, 1), profile)
    assert [battery.oracle for battery in batteries] == [*mutant.only]
    assert try_client(mutant.make, batteries, profile).killed_by == KILLERS[mutant_id]


def test_all_of_them_are_tried_here_and_in_the_matrix():
    """The matrix examines them as this test does."""
    waiting = [mutant for mutant in (*MUTANTS, *EQUIVALENTS) if mutant.only]
    here = {"split", "installs", "install-faults", "install-state"}
    assert {mutant.id for mutant in waiting if here & {*mutant.only}} == set(KILLERS)
    assert {oracle for mutant in waiting for oracle in mutant.only} > set(RARE) > here
    number = [mutant.id for mutant in MUTANTS].index("part-in-two-beneath")
    assert try_mutant(Plan("", "mutant", 1), "ours", number, None).killed_by == (
        *("split", "writes"),
    )


def test_two_owners_of_every_case_differ_and_the_fault_strikes_both():
    """Both phones install, ask for a package somewhere in their life, and end alike."""
    profile = PROFILES["mutant"].only(["install-faults"])
    (battery,) = make_batteries(plan_ground(PollingClient, 1), profile)
    case = battery.make(7)
    one, other = case.settings
    assert one.personal != other.personal
    first, second = (observe(PollingClient, setting) for setting in case.settings)
    assert any(b"GET /targets/" in connection.data for connection in first.connections())
    assert first.outcomes == second.outcomes
    assert case.judge((first, second)) == ()
