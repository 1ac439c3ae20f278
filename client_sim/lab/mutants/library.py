"""All leaky clients, by the family of channel that they leak through."""

from typing import Final

from client_sim.lab.mutants import (
    activity,
    ciphers,
    connections,
    crashes,
    detours,
    digests,
    directions,
    echoes,
    encodings,
    equivalents,
    gather,
    handshakes,
    higher_order,
    hosts,
    identifiers,
    installs,
    kept_phases,
    lengths,
    libraries,
    machines,
    memories,
    misses,
    occasions,
    on_split,
    packages,
    packs,
    patient,
    phases,
    picking,
    places,
    rare,
    secrecy,
    shapes,
    splits,
    surroundings,
    triggers,
    unseeded,
    usage,
    vendors,
    writing,
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
    *packages.MUTANTS,
    *packs.MUTANTS,
    *picking.MUTANTS,
    *crashes.MUTANTS,
    *detours.MUTANTS,
    *installs.MUTANTS,
    *misses.MUTANTS,
    *patient.MUTANTS,
    *triggers.MUTANTS,
    *occasions.MUTANTS,
    *on_split.MUTANTS,
    *higher_order.MUTANTS,
    *rare.MUTANTS,
    *gather.MUTANTS,
    *writing.MUTANTS,
    *machines.MUTANTS,
)

EQUIVALENTS: Final[tuple[Mutant, ...]] = (
    *equivalents.EQUIVALENTS,
    *installs.EQUIVALENTS,
    *packs.EQUIVALENTS,
    *machines.EQUIVALENTS,
)
"""Clients that differ from the clean ones and leak nothing: whoever is alarmed is wrong."""

_BY_ID: Final = {mutant.id: mutant for mutant in (*MUTANTS, *EQUIVALENTS)}


def find_mutant(name: str) -> Mutant | None:
    """Find a mutant, or an equivalent, by its id."""
    return _BY_ID.get(name)
