"""All leaky and harmless clients."""

from typing import Final

from client_sim.lab.mutants import (
    behaviours,
    bypasses,
    delays,
    equivalents,
    handshakes,
    installs,
    machines,
    packages,
    packs,
    request_writes,
    table_requests,
    table_states,
    table_triggers,
)
from client_sim.lab.mutants.interpreter import make_mutants
from client_sim.lab.mutants.mutant import Mutant

ROWS: Final = (*table_requests.ROWS, *table_states.ROWS, *table_triggers.ROWS)

MUTANTS: Final[tuple[Mutant, ...]] = (
    *make_mutants(ROWS),
    *behaviours.MUTANTS,
    *handshakes.MUTANTS,
    *packages.MUTANTS,
    *packs.MUTANTS,
    *bypasses.MUTANTS,
    *installs.MUTANTS,
    *request_writes.MUTANTS,
    *machines.MUTANTS,
    *delays.MUTANTS,
)

EQUIVALENTS: Final[tuple[Mutant, ...]] = (
    *equivalents.EQUIVALENTS,
    *installs.EQUIVALENTS,
    *packs.EQUIVALENTS,
    *machines.EQUIVALENTS,
)
"""Clients that differ from the clean ones but do not leak; any alarm is a false alarm."""

_BY_ID: Final = {mutant.id: mutant for mutant in (*MUTANTS, *EQUIVALENTS)}


def find_mutant(name: str) -> Mutant | None:
    """Return the mutant or equivalent with an id, or None."""
    return _BY_ID.get(name)
