"""The record of misses: what passed all oracles once is found now, and not only by a look at data.

Expected oracles follow from what each leak varies with: the build, the date of the ROM, a kept
number, restarts, the owner.
"""

from functools import cache

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import MISSES
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import BATTERIES
from client_sim.lab.programme.profile import PROFILES, RARE, Profile
from client_sim.lab.programme.runner import try_client

BY_ID = {mutant.id: mutant.make for mutant in MISSES}
FOUND_BY = {
    "build-pieces": "fleet",
    "rom-second": "timing",
    "kept-fraction": "timing",
    "restart-second": "events",
    "restart-order": "events",
    "address-bit": "personal",
    "address-kept": "fleet",
    "late-report": "faults",
    "late-over-tls": "horizon",
    "abroad-over-tls": "events",
    "late-seed": "timing",
    "late-etag-seed": "timing",
}


@cache
def ground():
    """Make the ground of clients that follow nothing."""
    return plan_ground(ToyClient, 0)


def killers(make, oracle):
    """Let one battery, of a small profile's size, and the guards look at a client."""
    size = RARE.get(oracle) or PROFILES["probe"].sizes[oracle]
    profile = Profile("one battery", {oracle: size}, 0, 0)
    return try_client(make, (BATTERIES[oracle](ground(), size),), profile).killed_by


def test_every_miss_is_here():
    """None is forgotten."""
    assert set(FOUND_BY) == set(BY_ID)


@pytest.mark.parametrize(("mutant_id", "oracle"), FOUND_BY.items())
def test_a_miss_is_found_by_what_it_varies_with(mutant_id, oracle):
    """The battery that varies it sees it, whatever other guards see."""
    assert oracle in killers(BY_ID[mutant_id], oracle)


@pytest.mark.parametrize("oracle", sorted(set(FOUND_BY.values())))
def test_a_clean_client_is_not_accused(oracle):
    """Nor does any guard speak."""
    assert killers(ToyClient, oracle) == ()
