"""The leaky clients on which the instrument is tested: our own, or a user's library."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

from client_sim.lab.clients.loading import import_attribute
from client_sim.lab.errors import ClientNotFoundError
from client_sim.lab.mutants.library import EQUIVALENTS, MUTANTS
from client_sim.lab.mutants.mutant import Mutant

OURS: Final = "ours"
HARMLESS: Final = "harmless"
METHODS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "determinism": "a repeated run",
        "personal": "comparison of owners",
        "boundary": "comparison of owners",
        "events": "comparison of lives",
        "crossed": "comparison of lives",
        "offers": "comparison of lives",
        "public": "comparison of owners",
        "horizon": "comparison of owners",
        "faults": "comparison of owners",
        "install-faults": "comparison of owners",
        "fleet": "comparison of phones",
        "machine": "comparison of machines",
        "downloads": "comparison of phones",
        "installs": "comparison of phones",
        "split": "comparison of phones",
        "server-state": "comparison of servers",
        "install-state": "comparison of servers",
        "packs": "comparison of owners",
        "holdings": "comparison of phones",
        "parts": "comparison of servers",
        "timing": "comparison of randomness",
        "phases": "statistics of intervals",
        "stationarity": "comparison of polls",
        "sockets": "comparison of phones",
        "network": "comparison of handshakes",
        "tls": "rules for handshakes",
        "writes": "rules for writes",
        "ends": "rules for closing connections",
        "completes": "the server's answers",
        "grammar": "the request table",
        "again": "delivered content",
        "schedule": "silence and range of intervals",
        "canaries": "planted values",
        "tripwire": "looks at the owner's data",
        "egress": "the list of hosts",
        "answers": "values planted in requests",
        "files": "values planted in requests",
        "metrics": "values planted in requests",
        "growth": "lengths of files",
        "headers": "rules for answers",
        "alike": "comparison of answers",
        "nodes": "comparison of answers",
        "restart": "comparison of answers",
    }
)
"""The method of each oracle; two oracles with the same method are not independent."""

ARGUED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gather": "a client that reads data but sends nothing is found only by its reads",
    }
)
"""The reason why a single killer is enough, by family."""


def load_library(name: str) -> Sequence[Mutant]:
    """Return the mutants of `ours`, the clients of `harmless`, or those at `package.module:NAME`.

    A user's library is a sequence of `Mutant`, or a dict of factories by id, which form a family of
    their own. Raise ClientNotFoundError for anything else.
    """
    if name == OURS:
        return MUTANTS
    if name == HARMLESS:
        return EQUIVALENTS
    library = import_attribute(name)
    if isinstance(library, dict):
        return tuple(Mutant(str(id_), "brought", "", make) for id_, make in library.items())
    if isinstance(library, Sequence) and all(isinstance(each, Mutant) for each in library):
        return cast("Sequence[Mutant]", library)
    raise ClientNotFoundError(
        f"{name} is not a library: it must be a sequence of Mutant, or a dict"
    )
