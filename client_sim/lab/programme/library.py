"""The leaky clients that the instrument is tried on: ours, or a user's library."""

from collections.abc import Sequence
from typing import Final, cast

from client_sim.lab.clients.loading import import_attribute
from client_sim.lab.errors import ClientNotFoundError
from client_sim.lab.mutants.library import EQUIVALENTS, MUTANTS
from client_sim.lab.mutants.mutant import Mutant

OURS: Final = "ours"
HARMLESS: Final = "harmless"


def load_library(name: str) -> Sequence[Mutant]:
    """Return the mutants of `ours`, the clients of `harmless`, or those at `package.module:NAME`.

    A user's library is a sequence of `Mutant`, or a mapping of ids to factories, which then are a
    family of their own.
    """
    if name == OURS:
        return MUTANTS
    if name == HARMLESS:
        return EQUIVALENTS
    brought = import_attribute(name)
    if isinstance(brought, dict):
        return tuple(Mutant(str(id_), "brought", "", make) for id_, make in brought.items())
    if isinstance(brought, Sequence) and all(isinstance(each, Mutant) for each in brought):
        return cast("Sequence[Mutant]", brought)
    raise ClientNotFoundError(f"{name} is no library: it must be a sequence of Mutant, or a dict")
