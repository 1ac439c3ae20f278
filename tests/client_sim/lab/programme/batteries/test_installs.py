"""Where installations fail, two owners' phones meet the same fault."""

from client_sim.device.client import PollingClient
from client_sim.lab.programme.batteries.installs import install_faults
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.setting import observe


def test_two_owners_of_every_case_differ_and_the_fault_strikes_both():
    """Both phones install, ask for a package somewhere in their life, and end alike."""
    case = install_faults(plan_ground(PollingClient, 1), 20).make(7)
    one, other = case.settings
    assert one.personal != other.personal
    first, second = (observe(PollingClient, setting) for setting in case.settings)
    assert any(b"GET /targets/" in connection.data for connection in first.connections())
    assert first.outcomes == second.outcomes
    assert case.judge((first, second)) == ()
