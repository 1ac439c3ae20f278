"""All servers to try an instrument on: leaky ones by family, and honest ones."""

from typing import Final

from client_sim.lab.server_mutants.honest import HONEST
from client_sim.lab.server_mutants.keepers import KEEPERS
from client_sim.lab.server_mutants.mutant import ServerMutant, make_mutant
from client_sim.lab.server_mutants.tellers import TELLERS
from client_sim.lab.server_mutants.varying import VARYING

SERVER_MUTANTS: Final[tuple[ServerMutant, ...]] = (
    *(make_mutant("L57", kind) for kind in (*KEEPERS, *TELLERS)),
    *(make_mutant("L58", kind) for kind in VARYING),
)
"""Servers that keep something of a request (L57) or do not answer all clients alike (L58)."""

HONEST_SERVERS: Final[tuple[ServerMutant, ...]] = tuple(
    make_mutant("clean", kind) for kind in HONEST
)
"""Servers at which no check may raise an alarm."""
