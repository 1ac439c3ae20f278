"""A covering array has every pair, then every triple, and is the same for the same tape."""

from itertools import combinations, islice, product

from client_sim.lab.programme.batteries.crossed import measure_crossings
from client_sim.lab.programme.conditions import FACTORS, THRICE
from client_sim.lab.programme.covering import cover, measure
from client_sim.tape import Tape

SMALL = {"a": ("1", "2", "3"), "b": ("1", "2"), "c": ("1", "2"), "d": ("1", "2", "3")}
TRIPLES = ("a", "b", "d")


def met(rows, names):
    """Give the combinations of levels of some factors that occur."""
    return {tuple(row[name] for name in names) for row in rows}


def test_every_pair_meets_and_every_triple_of_some():
    """By brute force, in fewer rows than all combinations, and the same for the same tape.

    A run that takes a few rows has all pairs before it has all triples.
    """
    rows = [*cover(SMALL, TRIPLES, Tape(1))]
    for names in (*combinations(SMALL, 2), TRIPLES):
        assert met(rows, names) == {*product(*(SMALL[name] for name in names))}
    assert 18 <= len(rows) <= 22
    assert all(tuple(row) == tuple(SMALL) for row in rows)
    assert [*cover(SMALL, TRIPLES, Tape(2))] == [*cover(SMALL, TRIPLES, Tape(2))]
    assert [*cover(SMALL, TRIPLES, Tape(2))] != [*cover(SMALL, TRIPLES, Tape(3))]
    few = [*islice(cover(SMALL, TRIPLES, Tape(1)), 11)]
    pairs = measure(few, SMALL, tuple(SMALL), 2)
    triples = measure(few, SMALL, TRIPLES, 3)
    assert (pairs.covered, pairs.all) == (37, 37)
    assert (len(few), triples.all) == (11, 18)
    assert triples.covered <= 11


def test_a_commit_has_every_pair_and_a_release_every_triple():
    """Whatever the seed; so few rows that no battery is larger for it."""
    for seed in (0, 1, 77):
        pairs, few = measure_crossings(seed, 48).coverages
        assert pairs.covered == pairs.all
        assert few.covered < few.all
    _, triples = measure_crossings(0, 300).coverages
    assert triples.covered == triples.all
    assert triples.of == THRICE
    assert set(FACTORS) > set(THRICE)
