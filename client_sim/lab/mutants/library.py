"""All leaky clients, by the family of channel that they leak through."""

from typing import Final

from client_sim.lab.mutants import (
    activity,
    ciphers,
    connections,
    digests,
    directions,
    echoes,
    encodings,
    handshakes,
    hosts,
    identifiers,
    kept_phases,
    lengths,
    libraries,
    memories,
    phases,
    places,
    secrecy,
    shapes,
    splits,
    surroundings,
    unseeded,
    usage,
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
    *usage.MUTANTS,
    *identifiers.MUTANTS,
    *memories.MUTANTS,
    *phases.MUTANTS,
    *kept_phases.MUTANTS,
    *activity.MUTANTS,
    *echoes.MUTANTS,
    *directions.MUTANTS,
    *secrecy.MUTANTS,
    *connections.MUTANTS,
    *handshakes.MUTANTS,
)

EQUIVALENTS: Final[tuple[Mutant, ...]] = ()

_BY_ID: Final = {mutant.id: mutant for mutant in MUTANTS}


def find_mutant(name: str) -> Mutant | None:
    """Find a mutant by its id."""
    return _BY_ID.get(name)
