"""Covering arrays: every pair of levels, and every triple of some factors."""

from itertools import combinations, islice, product

from client_sim.lab.programme.batteries.crossed import measure_crossings
from client_sim.lab.programme.conditions import FACTORS, TRIPLE_FACTORS
from client_sim.lab.programme.covering import cover, measure
from client_sim.tape import Tape

SMALL = {"a": ("1", "2", "3"), "b": ("1", "2"), "c": ("1", "2"), "d": ("1", "2", "3")}
TRIPLES = ("a", "b", "d")


def find_levels(rows, names):
    """Return the combinations of levels of some factors that occur."""
    return {tuple(row[name] for name in names) for row in rows}


def test_array_has_every_pair_and_every_triple():
    """In fewer rows than all combinations, which are 36."""
    rows = [*cover(SMALL, TRIPLES, Tape(1))]
    for names in (*combinations(SMALL, 2), TRIPLES):
        assert find_levels(rows, names) == {*product(*(SMALL[name] for name in names))}
    assert 18 <= len(rows) <= 22
    assert all(tuple(row) == tuple(SMALL) for row in rows)


def test_array_is_determined_by_the_tape():
    """Equal tapes give equal rows."""
    assert [*cover(SMALL, TRIPLES, Tape(2))] == [*cover(SMALL, TRIPLES, Tape(2))]
    assert [*cover(SMALL, TRIPLES, Tape(2))] != [*cover(SMALL, TRIPLES, Tape(3))]


def test_first_rows_have_all_pairs():
    """Pairs come before triples."""
    few = [*islice(cover(SMALL, TRIPLES, Tape(1)), 11)]
    pairs = measure(few, SMALL, tuple(SMALL), 2)
    triples = measure(few, SMALL, TRIPLES, 3)
    assert (pairs.covered, pairs.all) == (37, 37)
    assert (len(few), triples.all) == (11, 18)
    assert triples.covered <= 11


def test_commits_have_every_pair_and_releases_every_triple():
    """With any seed, in the numbers of cases that the profiles have."""
    for seed in (0, 1, 77):
        pairs, few = measure_crossings(seed, 48).coverages
        assert pairs.covered == pairs.all
        assert few.covered < few.all
    _, triples = measure_crossings(0, 300).coverages
    assert triples.covered == triples.all
    assert triples.of == TRIPLE_FACTORS
    assert set(FACTORS) > set(TRIPLE_FACTORS)
