"""Events between offers, and installations that fail; `test_found` has leaky clients."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from client_sim.device.client import PollingClient
from client_sim.lab.programme.batteries.offers import KINDS, install_faults, offers
from client_sim.lab.programme.plan import PROFILES
from client_sim.lab.programme.runner import try_client
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.world import World


def test_clean_client_passes():
    """Also after a power-off, a clock that is set back, or a reset."""
    whole = offers(plan_testbed(PollingClient, 2), 2 * len(KINDS))
    among = range(len(KINDS), whole.size, 4)
    battery = replace(whole, size=len(among), make=lambda place: whole.make(among[place]))
    profile = PROFILES["mutant"].only(["offers"])
    assert try_client(PollingClient, (battery,), profile).killed_by == ()


class Forgetful(PollingClient):
    """Loses its secret at each start."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        if "due" in world.state:
            world.state.pop("secret", None)


def test_lost_secret_is_found_without_a_comparison():
    """Both phones lose it at a power-off and stay alike, but they leave their place."""
    testbed = plan_testbed(Forgetful, 1)
    cases = [offers(testbed, 96).make(number) for number in range(1, 16, 2)]
    off = next(c for c in cases if any("off " in s for s in c.settings[0].scenario.steps))
    silent = off.settings[1]
    assert off.judge([observe(Forgetful, silent)] * 2)
    assert not off.judge([observe(PollingClient, silent)] * 2)


def test_events_and_offers_of_a_life():
    """Each kind of event comes one to three times between two polls; most offers are taken."""
    battery = offers(plan_testbed(PollingClient, 1), 96)
    for number in range(len(KINDS)):
        one, silent = battery.make(number).settings
        assert one.personal != silent.personal
        assert {"poll", "nothing"} <= {*silent.scenario.steps}
        polls = [place for place, step in enumerate(one.scenario.steps) if step == "poll"]
        gaps = [one.scenario.steps[a + 1 : b].count(KINDS[number]) for a, b in pairwise(polls)]
        assert {1, 2, 3} <= {*gaps}
    seen = observe(PollingClient, one)
    taken = Counter(c.phase for c in seen.connections() if b".zip HTTP" in c.data)
    assert (len(polls), len(taken)) == (15, 8)


def test_fault_strikes_the_phones_of_both_owners():
    """Both phones request a package, and end alike."""
    case = install_faults(plan_testbed(PollingClient, 1), 20).make(7)
    one, other = case.settings
    assert one.personal != other.personal
    first, second = (observe(PollingClient, setting) for setting in case.settings)
    assert any(b"GET /targets/" in connection.data for connection in first.connections())
    assert first.outcomes == second.outcomes
    assert case.judge((first, second)) == ()
