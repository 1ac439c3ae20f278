"""All leaky clients, by the family of channel that they leak through."""

from typing import Final

from client_sim.lab.mutants import (
    asking_again,
    behaviours,
    behind,
    choosing,
    detours,
    equivalents,
    handshakes,
    installs,
    machines,
    meetings,
    packages,
    packs,
    picking,
    reading_on,
    repeats,
    table_habits,
    table_missed,
    table_occasions,
    table_requests,
    table_values,
    writing,
)
from client_sim.lab.mutants.interpreter import make_mutants
from client_sim.lab.mutants.mutant import Mutant

ROWS: Final = (
    *table_values.ROWS,
    *table_requests.ROWS,
    *table_habits.ROWS,
    *table_occasions.ROWS,
    *table_missed.ALIKE,
    *table_missed.SPLIT,
)
MISSES: Final = make_mutants(table_missed.MISSES)
PATIENT: Final = (
    *make_mutants(table_missed.PATIENT),
    *behaviours.PATIENT,
    *packs.PATIENT,
    *detours.PATIENT,
)
TOLD: Final = make_mutants(table_missed.TOLD)
WAITS: Final = make_mutants(table_missed.WAITS)
DOUBTS: Final = make_mutants(table_occasions.DOUBTS)
OFFERS: Final = make_mutants(table_missed.OFFERS)
CROSSINGS: Final = make_mutants(table_missed.CROSSINGS)

MUTANTS: Final[tuple[Mutant, ...]] = (
    *make_mutants(ROWS),
    *behaviours.MUTANTS,
    *handshakes.MUTANTS,
    *packages.MUTANTS,
    *packs.MUTANTS,
    *picking.MUTANTS,
    *detours.MUTANTS,
    *installs.MUTANTS,
    *writing.MUTANTS,
    *(*MISSES, *PATIENT, *TOLD, *WAITS, *DOUBTS, *CROSSINGS),
    *machines.MUTANTS,
    *behind.MUTANTS,
    *meetings.MUTANTS,
    *repeats.MUTANTS,
    *reading_on.MUTANTS,
    *asking_again.MUTANTS,
    *OFFERS,
    *choosing.MUTANTS,
    *choosing.BOOTS,
)

EQUIVALENTS: Final[tuple[Mutant, ...]] = (
    *equivalents.EQUIVALENTS,
    *installs.EQUIVALENTS,
    *packs.EQUIVALENTS,
    *machines.EQUIVALENTS,
)
"""Clients that differ from the clean ones and leak nothing: an alarm is a false one."""

_BY_ID: Final = {mutant.id: mutant for mutant in (*MUTANTS, *EQUIVALENTS)}


def find_mutant(name: str) -> Mutant | None:
    """Find a mutant, or an equivalent, by its id."""
    return _BY_ID.get(name)
