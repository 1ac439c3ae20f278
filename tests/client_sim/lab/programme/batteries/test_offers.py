"""Events between offers, and the same fault for two owners' phones where installations fail.

Which clients take an offer otherwise, and which are not accused, is in `test_found`.
"""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from client_sim.device.client import PollingClient
from client_sim.lab.programme.batteries.offers import KINDS, install_faults, offers
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import PROFILES
from client_sim.lab.programme.runner import try_client
from client_sim.lab.programme.setting import observe
from client_sim.world import World


def test_a_clean_client_passes_among_other_events():
    """Behind a power-off, a clock that is set back or a reset, too."""
    whole = offers(plan_ground(PollingClient, 2), 2 * len(KINDS))
    among = range(len(KINDS), whole.size, 4)
    battery = replace(whole, size=len(among), make=lambda place: whole.make(among[place]))
    profile = PROFILES["mutant"].only(["offers"])
    assert try_client(PollingClient, (battery,), profile).killed_by == ()


class Lost(PollingClient):
    """Loses its secret at each start, which a silent phone has, too, where power was off."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        if "due" in world.state:
            world.state.pop("secret", None)


def test_a_secret_that_both_phones_lose_is_found_in_one_run():
    """Each is judged by its own place, which is no other behind a power-off."""
    ground = plan_ground(Lost, 1)
    cases = [offers(ground, 96).make(number) for number in range(1, 16, 2)]
    lives = [case for case in cases if any("off " in s for s in case.settings[0].scenario.steps)]
    still = lives[0].settings[1]
    assert lives[0].judge([observe(Lost, still), observe(Lost, still)])
    assert not lives[0].judge([observe(PollingClient, still), observe(PollingClient, still)])


def test_a_phone_is_offered_builds_at_its_own_place():
    """Each kind of event comes twice and three times between two polls; most offers are taken."""
    battery = offers(plan_ground(PollingClient, 1), 96)
    for number in range(len(KINDS)):
        one, still = battery.make(number).settings
        assert one.personal != still.personal
        assert {"poll", "nothing"} <= {*still.scenario.steps}
        polls = [place for place, step in enumerate(one.scenario.steps) if step == "poll"]
        gaps = [one.scenario.steps[a + 1 : b].count(KINDS[number]) for a, b in pairwise(polls)]
        assert {1, 2, 3} <= {*gaps}
    seen = observe(PollingClient, one)
    taken = Counter(c.phase for c in seen.connections() if b".zip HTTP" in c.data)
    assert (len(polls), len(taken)) == (15, 8)


def test_two_owners_of_every_case_differ_and_the_fault_strikes_both():
    """Both phones install, ask for a package somewhere in their life, and end alike."""
    case = install_faults(plan_ground(PollingClient, 1), 20).make(7)
    one, other = case.settings
    assert one.personal != other.personal
    first, second = (observe(PollingClient, setting) for setting in case.settings)
    assert any(b"GET /targets/" in connection.data for connection in first.connections())
    assert first.outcomes == second.outcomes
    assert case.judge((first, second)) == ()
