"""All leaky and harmless clients."""

from typing import Final

from client_sim.lab.mutants import (
    behaviours,
    equivalents,
    handshakes,
    packages,
    packs,
    request_writes,
    table_machines,
    table_requests,
    table_states,
    table_triggers,
)
from client_sim.lab.mutants.interpreter import make_mutant
from client_sim.lab.mutants.mutant import Mutant

ROWS: Final = (
    *(*table_requests.ROWS, *table_states.ROWS, *table_triggers.ROWS, *table_machines.ROWS),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    *map(make_mutant, ROWS),
    *behaviours.MUTANTS,
    *handshakes.MUTANTS,
    *packages.MUTANTS,
    *packs.MUTANTS,
    *request_writes.MUTANTS,
)

EQUIVALENTS: Final[tuple[Mutant, ...]] = (
    *equivalents.EQUIVALENTS,
    *packs.EQUIVALENTS,
)
"""Clients that differ from the clean ones but do not leak; any alarm is a false alarm."""

_BY_ID: Final = {mutant.id: mutant for mutant in (*MUTANTS, *EQUIVALENTS)}


def find_mutant(name: str) -> Mutant | None:
    """Return the mutant or equivalent with an id, or None."""
    return _BY_ID.get(name)
