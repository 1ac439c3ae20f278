"""Combined conditions; `test_found` has the clients that leak only under two of them."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.batteries.crossed import crossed
from client_sim.lab.programme.plan import PROFILES
from client_sim.lab.programme.runner import try_client
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.trace.observation import Channel


@pytest.mark.parametrize(("make", "size"), [(PollingClient, 8), (FollowingToy, 8), (ToyClient, 24)])
def test_clean_clients_pass(make, size):
    """Neither servers nor owner events change what they send."""
    profile = PROFILES["quick"].only(["crossed"])
    battery = crossed(plan_testbed(make, 2), size)
    assert try_client(make, (battery,), profile).killed_by == ()


def test_phones_of_a_case_differ_only_in_owner_and_machine():
    """Model, clock and randomness are equal; the second phone has no events."""
    battery = crossed(plan_testbed(PollingClient, 1), 48)
    for number in range(48):
        one, silent, third, last = battery.make(number).settings
        assert len({each.personal.imei for each in (one, silent, third, last)}) == 4
        assert len({each.machine.host for each in (one, silent, third, last)}) == 4
        assert one.scenario == third.scenario
        assert (one.public, one.start, one.entropy) == (third.public, third.start, third.entropy)
        assert "reboot" not in silent.scenario.steps


def test_phone_does_not_crash():
    """It installs in some of the runs; faults end polls, but no run."""
    battery = crossed(plan_testbed(PollingClient, 1), 48)
    runs = [observe(PollingClient, battery.make(number).settings[0]) for number in range(16)]
    assert not any(d.channel is Channel.CRASH for run in runs for d in run.departures)
    assert any(b"/targets/armani/" in c.data for run in runs for c in run.connections())
    assert len({outcome for run in runs for outcome in run.outcomes}) > 6
