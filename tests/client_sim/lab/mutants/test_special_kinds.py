"""Clients that only gather, clients that are merely built otherwise, and owners at the edges."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import library
from client_sim.lab.mutants.library import EQUIVALENTS, MUTANTS
from client_sim.persona import Persona
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, LOT, follows
from tests.client_sim.lab.mutants.habitat import EDGES, OWNERS, lead, serve_failing, serve_well

STRICT = sorted(COMPARISONS.keys() - {"absence"})


class Closed(Persona):
    """An owner at whom nobody looks: every read is noted."""

    __slots__ = ("reads",)

    def __getattribute__(self, name):
        if name in Persona.__dataclass_fields__:
            object.__getattribute__(self, "reads").append(name)
        return object.__getattribute__(self, name)


def closed(owner, reads):
    """Give an owner whose fields note their being read."""
    watched = object.__new__(Closed)
    object.__setattr__(watched, "reads", reads)
    for name in Persona.__dataclass_fields__:
        object.__setattr__(watched, name, getattr(owner, name))
    return watched


def reads_of(mutant):
    """Give what a client reads of its owner."""
    reads = []

    def factory(world):
        world.personal = closed(LOT.owner, reads)
        return mutant.make(world)

    lead(factory, LOT)
    return reads


# The one that is left out looks at what it is told of events.
GATHERING = [m for m in MUTANTS if m.family == "gather" and m.id != "text-kept-around"]


@pytest.mark.parametrize("mutant", GATHERING, ids=lambda mutant: mutant.id)
def test_who_gathers_sends_nothing_of_it(mutant):
    """It reads; what leaves is what leaves a clean client, to the second."""
    clean = PollingClient if mutant.id.endswith("-around") else ToyClient
    assert reads_of(mutant)
    for owner in OWNERS[:3]:
        lot = LOT.but(owner=owner)
        assert lead(mutant.make, lot).whole == lead(clean, lot).whole


@pytest.mark.parametrize("what", STRICT)
@pytest.mark.parametrize("equivalent", EQUIVALENTS, ids=lambda equivalent: equivalent.id)
def test_an_equivalent_follows_nothing(equivalent, what):
    """In no comparison does anything else leave."""
    assert not follows(equivalent.make, what)


@pytest.mark.parametrize("equivalent", EQUIVALENTS, ids=lambda equivalent: equivalent.id)
def test_an_equivalent_reads_nothing_and_draws_afresh(equivalent):
    """Its owner is not looked at; 40 intervals are of 4 to 8 hours and not the same twice or so."""
    assert reads_of(equivalent) == []
    trace = lead(equivalent.make, LOT.but(steps=("poll",) * 40))
    assert all(14_400 <= gap <= 28_801 for gap in trace.gaps)
    assert len(set(trace.gaps)) >= 38
    # As spread as 40 uniform values are but for 1 in 100,000.
    assert max(trace.gaps) - min(trace.gaps) > 10_000
    assert all(any(poll == number for poll, _ in trace.draws) for number in range(1, 41))


ROWS = {row.id for row in library.ROWS}
CLASSES = [mutant for mutant in MUTANTS if mutant.id not in ROWS]


@pytest.mark.parametrize("owner", EDGES.values(), ids=EDGES)
def test_no_leak_falls_over_owners_at_the_edges(owner):
    """All polls of what is no row end, also where the second poll fails (rows: `test_rows`)."""
    lots = [LOT.but(owner=owner), LOT.but(owner=owner, serve=serve_failing(serve_well, (2,), b""))]
    for mutant in (*CLASSES, *EQUIVALENTS):
        for lot in lots:
            trace = lead(mutant.make, lot)
            assert (mutant.id, trace.crash, len(trace.outcomes)) == (mutant.id, "", 4)
