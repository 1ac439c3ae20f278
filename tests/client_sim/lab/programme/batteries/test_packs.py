"""Batteries about packs: the kinds of packs that phones meet, and the events between polls."""

import re
from functools import cache

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.programme.plan import PROFILES, make_batteries
from client_sim.lab.programme.runner import try_client
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.servers.packs import PARTS, SMALL


@cache
def cached_testbed():
    """Plan the testbed of a client that follows changes."""
    return plan_testbed(PollingClient, 0)


class Backwards(FollowingToy):
    """Requests all parts in reverse order."""

    def choose(self, parts, held):
        """Return the parts in reverse order."""
        return super().choose(parts, held)[::-1]


def test_reverse_order_of_parts_is_found_by_the_table():
    """All phones send the same requests, so only guard `grammar` raises an alarm."""
    profile = PROFILES["mutant"].only(("parts", "packs", "holdings"))
    trial = try_client(Backwards, make_batteries(cached_testbed(), profile), profile)
    assert trial.killed_by == ("grammar",)


def list_kinds(profile, oracle, first, step):
    """List the kinds of packs that the first phones of some cases request, case by case."""
    batteries = make_batteries(cached_testbed(), PROFILES[profile])
    (battery,) = (each for each in batteries if each.oracle == oracle)
    asked = []
    for number in range(first, battery.size, step):
        seen = observe(FollowingToy, battery.make(number).settings[0])
        data = b"".join(connection.data for connection in seen.connections())
        asked.append(set(re.findall(rb"GET /targets/(?:tables|content)/([a-z]+)/", data)))
    return asked


def test_full_profile_has_each_kind_alone():
    """Battery `holdings`: one kind in a case, or all; a commit's few cases have both roles."""
    asked = list_kinds("full", "holdings", 1, 2)
    assert all({kind.encode()} in asked for kind in PARTS if kind not in {*SMALL, "greetings"})
    assert {kind.encode() for kind in PARTS} in asked
    assert {b"apn", b"wallpapers"} <= set.union(*list_kinds("quick", "holdings", 1, 2))


def test_quick_profile_has_all_ten_kinds():
    """Some repositories have all kinds, others have some."""
    for oracle in ("packs", "parts"):
        asked = list_kinds("quick", oracle, 0, 1)
        assert len(set(map(frozenset, asked))) > 1
        assert max(map(len, asked)) == 10


def test_phones_with_events_are_compared_with_silent_phones():
    """In about three quarters of the cases, of other owners, with and without TLS."""
    (battery,) = make_batteries(cached_testbed(), PROFILES["quick"].only(["packs"]))
    cases = [battery.make(number) for number in range(90)]
    eventful = [case for case in cases if case.derive is not None]
    assert 2 * len(cases) // 3 < len(eventful) < 4 * len(cases) // 5
    assert {case.settings[0].public.tls for case in eventful} == {False, True}
    for case in eventful:
        one, other = case.settings
        assert case.derive(one.scenario) == other.scenario
        assert one.personal != other.personal
        assert one.scenario.steps.count("poll") == len(other.scenario.steps)
    assert {c.settings[0].scenario.steps.count("travelled") for c in eventful} == {0, 1, 2, 3}
