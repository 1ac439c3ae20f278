"""All leaky and harmless clients."""

from typing import Final

from client_sim.lab.mutants import (
    behaviours,
    detours,
    equivalents,
    handshakes,
    installs,
    machines,
    packages,
    packs,
    table_habits,
    table_occasions,
    table_requests,
    waiting,
    writing,
)
from client_sim.lab.mutants.interpreter import make_mutants
from client_sim.lab.mutants.mutant import Mutant

ROWS: Final = (*table_requests.ROWS, *table_habits.ROWS, *table_occasions.ROWS)

MUTANTS: Final[tuple[Mutant, ...]] = (
    *make_mutants(ROWS),
    *behaviours.MUTANTS,
    *handshakes.MUTANTS,
    *packages.MUTANTS,
    *packs.MUTANTS,
    *detours.MUTANTS,
    *installs.MUTANTS,
    *writing.MUTANTS,
    *machines.MUTANTS,
    *waiting.MUTANTS,
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
