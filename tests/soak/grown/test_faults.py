"""The plan of faults that a seed produces."""

import itertools

from soak.grown.faults import Fault, draw_turns, named_turns


def nothing():
    """Do nothing."""


FAULTS = [
    Fault(kind, f"{kind} {part}", frozenset({part}), nothing, nothing)
    for kind, parts in {"kill": "abcdefgh", "cut": "abcd", "clock": "a"}.items()
    for part in parts
]


def names(seed, turns):
    """Return the names of the faults of some turns."""
    drawn = itertools.islice(draw_turns(FAULTS, seed), turns)
    return [tuple(fault.name for fault in turn.faults) for turn in drawn]


def test_seed_determines_the_plan():
    """The same seed produces the same turns; another seed produces others."""
    assert names(1, 50) == names(1, 50)
    assert names(1, 50) != names(2, 50)


def test_every_fault_occurs_before_any_repeats():
    """Each kind of fault occurs before any kind is repeated, however many faults it has."""
    for seed in range(20):
        drawn = list(itertools.chain.from_iterable(names(seed, 100)))
        first = drawn[: len(FAULTS)]
        assert sorted(first) == sorted(fault.name for fault in FAULTS)
        assert {name.split()[0] for name in first[:3]} == {"kill", "cut", "clock"}


def test_pairs_are_of_different_parts():
    """Some turns have two faults, of different parts."""
    drawn = [turn.faults for turn in itertools.islice(draw_turns(FAULTS, 3), 200)]
    pairs = [faults for faults in drawn if len(faults) == 2]
    assert 0 < len(pairs) < len(drawn)
    assert all(not one.parts & other.parts for one, other in pairs)


def test_named_faults_come_in_order():
    """Each named fault occurs once, alone."""
    drawn = list(named_turns(FAULTS[:3], 1, None))
    assert [turn.faults for turn in drawn] == [[each] for each in FAULTS[:3]]
    assert len({turn.hold for turn in drawn}) == 3
    assert [turn.hold for turn in named_turns(FAULTS[:2], 1, 7.0)] == [7.0, 7.0]
