"""All leaky clients, by the family of channel that they leak through."""

from typing import Final

from client_sim.lab.mutants import (
    ciphers,
    digests,
    encodings,
    hosts,
    identifiers,
    lengths,
    libraries,
    places,
    shapes,
    splits,
    surroundings,
    unseeded,
    vendors,
)
from client_sim.lab.mutants.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *vendors.MUTANTS,
    *encodings.MUTANTS,
    *digests.MUTANTS,
    *ciphers.MUTANTS,
    *unseeded.MUTANTS,
    *splits.MUTANTS,
    *shapes.MUTANTS,
    *lengths.MUTANTS,
    *hosts.MUTANTS,
    *places.MUTANTS,
    *libraries.MUTANTS,
    *surroundings.MUTANTS,
    *identifiers.MUTANTS,
)

_BY_ID: Final = {mutant.id: mutant for mutant in MUTANTS}


def find_mutant(name: str) -> Mutant | None:
    """Find a mutant by its id."""
    return _BY_ID.get(name)
