"""Batteries about packs: which kinds of packs phones meet, and how they live meanwhile."""

import re
from functools import cache

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import PROFILES, make_batteries
from client_sim.lab.programme.runner import try_client
from client_sim.lab.programme.setting import observe
from client_sim.lab.servers.packs import PARTS, SMALL


@cache
def ground():
    """Make the ground of clients that follow what is new."""
    return plan_ground(PollingClient, 0)


def killers(make, oracles):
    """Let some batteries, of the size for leaky clients, and the guards look at a client."""
    profile = PROFILES["mutant"].only(oracles)
    return set(try_client(make, make_batteries(ground(), profile), profile).killed_by)


class Backwards(FollowingToy):
    """Asks for all parts, for everybody alike, the last one first."""

    def choose(self, parts, held):
        """Turn the order round."""
        return super().choose(parts, held)[::-1]


def test_another_fixed_order_is_no_equal():
    """The order is part of the request table, and nothing else speaks (leaks: `test_found`)."""
    assert killers(Backwards, ("parts", "packs", "holdings")) == {"grammar"}


def kinds_asked_for(profile, oracle, first, step):
    """Give the kinds that the first phones of some cases of a battery ask for, case by case."""
    batteries = make_batteries(ground(), PROFILES[profile])
    (battery,) = (each for each in batteries if each.oracle == oracle)
    asked = []
    for number in range(first, battery.size, step):
        seen = observe(FollowingToy, battery.make(number).settings[0])
        data = b"".join(connection.data for connection in seen.connections())
        asked.append(set(re.findall(rb"GET /targets/(?:tables|content)/([a-z]+)/", data)))
    return asked


def test_different_phones_are_compared_at_each_of_the_ten_kinds():
    """Those that lack parts of small packs aside; a commit's few cases are of both roles."""
    asked = kinds_asked_for("full", "holdings", 1, 2)
    assert all({kind.encode()} in asked for kind in PARTS if kind not in {*SMALL, "greetings"})
    assert {kind.encode() for kind in PARTS} in asked
    assert {b"apn", b"wallpapers"} <= set.union(*kinds_asked_for("quick", "holdings", 1, 2))


def test_a_commit_meets_all_ten_kinds():
    """In repositories with some of them as well as in one with all."""
    for oracle in ("packs", "parts"):
        asked = kinds_asked_for("quick", oracle, 0, 1)
        assert len(set(map(frozenset, asked))) > 1
        assert max(map(len, asked)) == 10


def test_some_phones_live_while_others_only_poll():
    """Three quarters of the cases, over TLS too, with another owner, some with all kinds."""
    (battery,) = make_batteries(ground(), PROFILES["quick"].only(["packs"]))
    cases = [battery.make(number) for number in range(90)]
    eventful = [case for case in cases if case.derive is not None]
    assert 2 * len(cases) // 3 < len(eventful) < 4 * len(cases) // 5
    assert {case.settings[0].public.tls for case in eventful} == {False, True}
    for case in eventful:
        one, other = case.settings
        assert case.derive(one.scenario) == other.scenario
        assert one.personal != other.personal
        assert one.scenario.steps.count("poll") == len(other.scenario.steps)
    happened = [case.settings[0].scenario.steps.count("travelled") for case in eventful]
    assert {*happened} == {0, 1, 2, 3}
