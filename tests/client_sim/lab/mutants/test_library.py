"""The library of leaky clients is whole: each family has its clients, and ids are words."""

import re
from collections import Counter

from client_sim.lab.mutants.library import EQUIVALENTS, MUTANTS, find_mutant

CATALOGUE = {f"L{number:02}" for number in range(1, 57)}  # L57 and L58 are servers'
OWN = {"higher-order", "rare", "gather", "packs", "picks", "writes", "machine", "again"}


def test_every_family_has_variants():
    """Three at least of each of the catalogue, and of those beside it; many leak in a transport."""
    families = Counter(mutant.family for mutant in MUTANTS)
    assert set(families) == CATALOGUE | OWN
    assert min(families.values()) >= 3
    assert sum(mutant.id.endswith(("-beneath", "-around")) for mutant in MUTANTS) >= 70


def test_ids_are_unique_words_and_sentences_say_what_is_told():
    """Ids are words of a command line, over both lists."""
    ids = [mutant.id for mutant in (*MUTANTS, *EQUIVALENTS)]
    assert len(set(ids)) == len(ids)
    for mutant in (*MUTANTS, *EQUIVALENTS):
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", mutant.id)
        assert re.fullmatch(r"[A-Z].{20,}\.", mutant.leak)
        assert find_mutant(mutant.id) is mutant
    assert find_mutant("nobody") is None


def test_harmless_clients_are_one_family():
    """There are enough of them."""
    assert len(EQUIVALENTS) == 23
    assert {equivalent.family for equivalent in EQUIVALENTS} == {"equivalent"}
