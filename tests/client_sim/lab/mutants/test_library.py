"""The library is whole; clients that only gather send nothing, harmless ones follow nothing."""

import re
from collections import Counter

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import library
from client_sim.lab.mutants.library import EQUIVALENTS, MUTANTS, find_mutant
from tests.cases import case
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, LOT, follows
from tests.client_sim.lab.mutants.habitat import EDGES, OWNERS, lead, serve_failing, serve_well

CATALOGUE = {f"L{number:02}" for number in range(1, 57)}  # L57 and L58 are servers'
OWN = {"higher-order", "rare", "gather", "packs", "picks", "writes", "machine", "again"}


def test_every_family_has_variants():
    """Three at least of each of the catalogue, and of those beside it; many leak in a transport.

    Ids are words of a command line, over both lists; harmless clients are one family.
    """
    families = Counter(mutant.family for mutant in MUTANTS)
    assert set(families) == CATALOGUE | OWN
    assert min(families.values()) >= 3
    assert sum(mutant.id.endswith(("-beneath", "-around")) for mutant in MUTANTS) >= 70
    ids = [mutant.id for mutant in (*MUTANTS, *EQUIVALENTS)]
    assert len(set(ids)) == len(ids)
    for mutant in (*MUTANTS, *EQUIVALENTS):
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", mutant.id)
        assert re.fullmatch(r"[A-Z].{20,}\.", mutant.leak)
        assert find_mutant(mutant.id) is mutant
    assert find_mutant("nobody") is None
    assert {equivalent.family for equivalent in EQUIVALENTS} == {"equivalent"}
    assert len(EQUIVALENTS) == 23


def reads_of(mutant):
    """Give what a client reads of its owner, beside what it is told of events."""
    fields = [read.field for read in lead(mutant.make, LOT).seen.reads]
    return [field for field in fields if not field.startswith("details of ")]


def test_who_gathers_sends_nothing_of_it():
    """It reads; what leaves is what leaves a clean client, to the second."""
    # The one that is left out looks at what it is told of events.
    gathering = [m for m in MUTANTS if m.family == "gather" and m.id != "text-kept-around"]
    for mutant in gathering:
        clean = PollingClient if mutant.id.endswith("-around") else ToyClient
        assert reads_of(mutant)
        for owner in OWNERS[:3]:
            lot = LOT.but(owner=owner)
            assert lead(mutant.make, lot).whole == lead(clean, lot).whole, mutant.id


def test_an_equivalent_follows_nothing_and_draws_afresh():
    """Its owner is not looked at; 40 intervals are of 4 to 8 hours and not the same twice or so."""
    for equivalent in EQUIVALENTS:
        with case(equivalent.id):
            for what in COMPARISONS.keys() - {"absence"}:
                assert not follows(equivalent.make, what), what
            assert reads_of(equivalent) == []
            trace = lead(equivalent.make, LOT.but(steps=("poll",) * 40))
            assert all(14_400 <= gap <= 28_801 for gap in trace.gaps)
            assert len(set(trace.gaps)) >= 38
            # As spread as 40 uniform values are but for 1 in 100,000.
            assert max(trace.gaps) - min(trace.gaps) > 10_000
            assert {draw.phase for draw in trace.seen.draws} >= {f"poll {n}" for n in range(1, 41)}


def test_no_leak_falls_over_owners_at_the_edges():
    """All polls of what is no row end, though the second poll fails (rows: `test_rows`)."""
    rows = {row.id for row in library.ROWS}
    failing = serve_failing(serve_well, (2,), b"")
    for name, owner in EDGES.items():
        for mutant in (*MUTANTS, *EQUIVALENTS):
            if mutant.id not in rows:
                trace = lead(mutant.make, LOT.but(owner=owner, serve=failing))
                with case(name, mutant.id):
                    assert len(trace.seen.outcomes) == 4
