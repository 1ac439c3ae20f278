"""The library of leaky clients: its families, clients that only read, and harmless clients."""

import re
from collections import Counter

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import library
from client_sim.lab.mutants.library import EQUIVALENTS, MUTANTS, find_mutant
from tests.cases import case
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, INPUTS, depends_on
from tests.client_sim.lab.mutants.inputs import EXTREMES, OWNERS, run, serve_failing

CATALOGUE = {f"L{number:02}" for number in range(1, 57)}  # L57 and L58 are servers'
OWN = {"higher-order", "rare", "gather", "packs", "picks", "writes", "machine", "again"}


def test_every_family_has_two_variants():
    """Ids are unique words, each leak is a sentence, and many clients leak in the transport."""
    families = Counter(mutant.family for mutant in MUTANTS)
    assert set(families) == CATALOGUE | OWN
    assert min(families.values()) >= 2
    assert sum(mutant.id.endswith(("-beneath", "-around")) for mutant in MUTANTS) >= 60
    ids = [mutant.id for mutant in (*MUTANTS, *EQUIVALENTS)]
    assert len(set(ids)) == len(ids)
    for mutant in (*MUTANTS, *EQUIVALENTS):
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", mutant.id)
        assert re.fullmatch(r"[A-Z][^{}]{20,}\.", mutant.leak)
        assert find_mutant(mutant.id) is mutant
    assert find_mutant("nobody") is None
    assert {equivalent.family for equivalent in EQUIVALENTS} == {"equivalent"}
    assert len(EQUIVALENTS) == 23


def reads_of(mutant):
    """Return the owner's fields that a client reads, except the details of events."""
    fields = [read.field for read in run(mutant.make, INPUTS).seen.reads]
    return [field for field in fields if not field.startswith("details of ")]


def test_clients_that_only_read_send_what_clean_clients_send():
    """Family `gather` reads the owner's data; its traces equal those of clean clients."""
    # The excluded client reads only the details of events.
    for mutant in [m for m in MUTANTS if m.family == "gather" and m.id != "text-kept-around"]:
        clean = PollingClient if mutant.id.endswith("-around") else ToyClient
        assert reads_of(mutant)
        for owner in OWNERS[:3]:
            inputs = INPUTS.but(owner=owner)
            assert run(mutant.make, inputs).whole == run(clean, inputs).whole, mutant.id


def test_harmless_clients_depend_on_nothing():
    """They do not read the owner's data, and draw each interval of 4 to 8 hours anew."""
    for equivalent in EQUIVALENTS:
        with case(equivalent.id):
            for what in COMPARISONS.keys() - {"absence"}:
                assert not depends_on(equivalent.make, what), what
            assert reads_of(equivalent) == []
            trace = run(equivalent.make, INPUTS.but(steps=("poll",) * 40))
            assert all(14_400 <= gap <= 28_801 for gap in trace.gaps)
            assert len(set(trace.gaps)) >= 38
            # The range of 40 uniform values is smaller in 1 of 100,000 cases.
            assert max(trace.gaps) - min(trace.gaps) > 10_000
            assert {draw.phase for draw in trace.seen.draws} >= {f"poll {n}" for n in range(1, 41)}


def test_classes_with_extreme_owners():
    """All four polls of clients that are not rows end, although the second poll fails."""
    rows = {row.id for row in library.ROWS}
    failing = serve_failing((2,), b"")
    for name, owner in EXTREMES.items():
        for mutant in (*MUTANTS, *EQUIVALENTS):
            if mutant.id not in rows:
                trace = run(mutant.make, INPUTS.but(owner=owner, serve=failing))
                with case(name, mutant.id):
                    assert len(trace.seen.outcomes) == 4
