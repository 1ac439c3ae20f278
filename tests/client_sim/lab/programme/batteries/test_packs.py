"""Batteries about packs: each leaky client is found by those that vary what it follows."""

from functools import cache

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.mutants import packs, picking
from client_sim.lab.programme.argued import METHODS
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import make_batteries
from client_sim.lab.programme.profile import PROFILES
from client_sim.lab.programme.runner import find_killers
from client_sim.lab.servers.memo import memoised

MUTANTS = {mutant.id: mutant for mutant in (*packs.MUTANTS, *picking.MUTANTS)}
FOUND_BY = {
    "packs-single-parts": "parts holdings",
    "packs-missed-first": "parts holdings",
    "packs-cache-beneath": "parts holdings",
    "picks-language": "packs holdings",
    "picks-country": "packs holdings",
    "picks-network": "packs holdings",
    "picks-country-code": "packs holdings",
    "picks-zone": "packs holdings",
    "picks-at-home": "events completes",
    "picks-order": "packs holdings grammar",
    "picks-own-first": "packs holdings grammar",
    "picks-once-used": "events completes",
    "picks-looked-at": "events completes schedule",
    "picks-bucket": "holdings completes",
    "picks-begun": "holdings completes",
    "picks-withdrawn": "packs holdings",
}


@cache
def ground():
    """Make the ground of clients that follow what is new."""
    return plan_ground(PollingClient, 0)


def killers(make, oracles):
    """Let some batteries, of the size for leaky clients, and the guards look at a client."""
    profile = PROFILES["mutant"].only(oracles)
    with memoised():
        return set(find_killers(make, make_batteries(ground(), profile), profile))


def test_every_leak_of_packs_is_here():
    """None is forgotten; and each is found by two methods that work differently."""
    assert set(FOUND_BY) == set(MUTANTS)
    for oracles in FOUND_BY.values():
        assert len({METHODS[oracle] for oracle in oracles.split()}) >= 2


@pytest.mark.parametrize(("mutant_id", "oracles"), FOUND_BY.items())
def test_a_leak_is_found_by_what_it_varies_with(mutant_id, oracles):
    """By each battery that is named, whatever guards see."""
    mutant = MUTANTS[mutant_id]
    assert set(oracles.split()) <= killers(mutant.make, mutant.only)


@pytest.mark.parametrize("make_client", [PollingClient, FollowingToy])
def test_a_clean_client_is_not_accused(make_client):
    """Nor does any guard speak."""
    assert killers(make_client, ("parts", "packs", "holdings", "events")) == set()


class Backwards(FollowingToy):
    """Asks for all parts, for everybody alike, the last one first."""

    def choose(self, parts, held):
        """Turn the order round."""
        return super().choose(parts, held)[::-1]


def test_another_fixed_order_is_no_equal():
    """The order is part of the request table: a client that has another one is known by it."""
    assert killers(Backwards, ("parts", "packs", "holdings")) == {"grammar"}
