"""Clients that wait are found by the runs that are long enough, and by what they wait for.

Expected oracles follow from what each leak shows, and when.
"""

from functools import cache

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import PATIENT
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import BATTERIES
from client_sim.lab.programme.profile import PROFILES, RARE, Profile
from client_sim.lab.programme.runner import try_client

BY_ID = {mutant.id: mutant.make for mutant in PATIENT}
FOUND_BY = {
    "late-follower": ("timing", "completes", "timing"),
    "kept-poll-77": ("phases", "phases", "writes"),
    "kept-years": ("horizon", "horizon", "writes"),
    "kept-failure": ("faults", "faults", "writes"),
    "kept-roots-beneath": ("fleet", "fleet", "writes"),
    "kept-package": ("fleet", "fleet"),
    "kept-failure-late": ("faults", "faults", "writes"),
    "model-bits": ("timing", "timing"),
    "kept-bits": ("timing", "timing"),
    "etag-bits": ("server-state", "server-state"),
    "message-late": ("horizon", "horizon", "writes"),
    "import-bits": ("determinism", "determinism"),
    "process-bits": ("determinism", "determinism"),
    "asked-for-show": ("determinism", "egress"),
    "detour-process": ("determinism", "egress"),
    "pause-socket": ("determinism", "egress"),
}
"""By client the battery that is run, and who speaks in it, be it a guard."""


@cache
def ground(make):
    """Make the ground that suits a client."""
    return plan_ground(make, 0)


def killers(make, oracle):
    """Let one battery, of a small profile's size, and the guards look at a client."""
    size = RARE.get(oracle) or PROFILES["mutant"].sizes[oracle]
    profile = Profile("one battery", {oracle: size}, 0, 0)
    return try_client(make, (BATTERIES[oracle](ground(make), size),), profile).killed_by


def test_everyone_is_here():
    """None is forgotten."""
    assert set(FOUND_BY) == set(BY_ID)


@pytest.mark.parametrize("mutant_id", FOUND_BY)
def test_who_waits_is_found_and_by_nobody_else(mutant_id):
    """The one judge that knows what to look at speaks; every byte is one that phones send."""
    oracle, *found_by = FOUND_BY[mutant_id]
    assert killers(BY_ID[mutant_id], oracle) == (*found_by,)


@pytest.mark.parametrize("oracle", sorted({oracle for oracle, *_ in FOUND_BY.values()}))
def test_a_clean_client_is_not_accused(oracle):
    """Nor does any guard speak."""
    assert killers(ToyClient, oracle) == ()
