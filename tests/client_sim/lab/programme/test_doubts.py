"""Clients that are silent where they find test data, or wait for a power-off, are found."""

from functools import cache

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import DOUBTS
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import BATTERIES
from client_sim.lab.programme.profile import RARE, Profile
from client_sim.lab.programme.runner import try_client
from client_sim.lab.servers.memo import memoised

BY_ID = {mutant.id: mutant for mutant in DOUBTS}
FOUND_BY = {
    "real-host": ("personal", "personal"),
    "real-host-around": ("personal", "personal"),
    "real-numbers": ("personal", "personal"),
    "real-mailbox": ("personal", "personal"),
    "real-address": ("personal", "personal"),
    "weeks-off": ("horizon", "horizon"),
    "days-off": ("crossed", "crossed"),
    "clock-went-back": ("crossed", "crossed"),
}
"""By client the battery that is run, and who speaks in it beside the guards."""
SIZES = {"personal": 8, "horizon": 2, "crossed": RARE["crossed"]}


@cache
def ground(make):
    """Make the ground that suits a client."""
    return plan_ground(make, 0)


def killers(make, oracle):
    """Let one battery look at a client."""
    profile = Profile("one battery", {}, 0, 0)
    battery = BATTERIES[oracle](ground(make), SIZES[oracle])
    with memoised():
        return try_client(make, (battery,), profile, enough=4).killed_by


def test_everyone_is_here():
    """None is forgotten."""
    assert set(FOUND_BY) == set(BY_ID)


@pytest.mark.parametrize("mutant_id", FOUND_BY)
def test_who_looks_round_first_is_found(mutant_id):
    """It finds nothing that says that this is no phone, or meets what it waits for."""
    oracle, found_by = FOUND_BY[mutant_id]
    assert found_by in killers(BY_ID[mutant_id].make, oracle)


@pytest.mark.parametrize("oracle", ["personal", "horizon"])
def test_a_clean_client_is_not_accused(oracle):
    """Whatever the data look like."""
    assert killers(ToyClient, oracle) == ()
