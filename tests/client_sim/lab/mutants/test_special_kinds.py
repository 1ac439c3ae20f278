"""Leaks of two parts, clients that only gather, and clients that are merely built otherwise."""

import re

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import gather, higher_order
from client_sim.lab.mutants.library import EQUIVALENTS, MUTANTS, find_mutant
from client_sim.persona import Persona
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, HOSTILE, LOT, follows
from tests.client_sim.lab.mutants.habitat import EDGES, OWNERS, lead, serve_failing, serve_well

ALL = [LOT.but(owner=owner, steps=("poll",) * 4) for owner in OWNERS]
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


WHOLE = [mutant for mutant in higher_order.MUTANTS if mutant.id != "server-and-owner"]


@pytest.mark.parametrize("mutant", WHOLE, ids=lambda mutant: mutant.id)
def test_two_parts_tell_together(mutant):
    """Owners differ, in some polls or, for one, in ninety."""
    polls = ("poll",) * (90 if mutant.id == "bit-in-ten-polls" else 4)
    assert len({lead(mutant.make, lot.but(steps=polls)).whole for lot in ALL}) > 1


def test_it_takes_a_server_and_an_owner():
    """With a server that hands nothing out all owners are one; some others make it speak."""
    make_client = find_mutant("server-and-owner").make
    assert not follows(make_client, "owner")
    assert any(
        len({lead(make_client, lot.but(serve=serve)).whole for lot in ALL}) > 1 for serve in HOSTILE
    )


def lengths(mutant_id, lots=ALL):
    """Give the number of requests and of bytes of each poll of some owners."""
    found = set()
    for lot in lots:
        trace = lead(find_mutant(mutant_id).make, lot.but(steps=("poll",)))
        sent = [data for _, what, data in trace.data if what.startswith("octets")]
        found.add((len(sent), len(b"".join(sent))))
    return found


def test_compensated_leaks_keep_lengths_and_numbers():
    """Whoever only counts bytes, or requests, sees nothing."""
    assert len(lengths("compensated-padding")) == 1
    assert {number for number, _ in lengths("compensated-requests")} == {4}
    assert len(lengths("balanced-pieces")) == 1


@pytest.mark.parametrize("mutant", gather.MUTANTS, ids=lambda mutant: mutant.id)
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


CRASHING = {"falls-over", "trips"}  # which is how they leak
SECOND_HALF = [m for m in MUTANTS if m.family > "L32" and m.id not in CRASHING]


@pytest.mark.parametrize("owner", EDGES.values(), ids=EDGES)
def test_no_leak_falls_over_owners_at_the_edges(owner):
    """All polls of all clients end, also where the second poll fails."""
    lots = [LOT.but(owner=owner), LOT.but(owner=owner, serve=serve_failing(serve_well, (2,), b""))]
    for mutant in (*SECOND_HALF, *EQUIVALENTS):
        for lot in lots:
            trace = lead(mutant.make, lot)
            assert (mutant.id, trace.crash, len(trace.outcomes)) == (mutant.id, "", 4)


def test_the_kinds_are_there():
    """Ids are unique over both lists, and there are enough."""
    ids = [mutant.id for mutant in (*MUTANTS, *EQUIVALENTS)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", mutant_id) for mutant_id in ids)
    assert len(EQUIVALENTS) >= 12
    assert {equivalent.family for equivalent in EQUIVALENTS} == {"equivalent"}
    families = {mutant.family for mutant in MUTANTS}
    assert families >= {*(f"L{number}" for number in range(33, 57)), "gather", "rare"}
    around = sum(mutant.id.endswith("-around") for mutant in MUTANTS)
    assert around >= 15
    for equivalent in EQUIVALENTS:
        assert find_mutant(equivalent.id) is equivalent
