"""Tests of the server examination on servers that leak, and on honest ones."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from client_sim.lab.server_mutants.library import HONEST_SERVERS, SERVER_MUTANTS
from client_sim.lab.server_mutants.mutant import ServerMutant
from client_sim.lab.server_mutants.toy import TREE
from client_sim.lab.server_side.canaries import Canaries
from client_sim.lab.server_side.examine import examine_server
from client_sim.lab.server_side.inputs import Dependencies, ServerInputs, plan_site
from client_sim.lab.server_side.places import Places
from client_sim.tape import Tape

CHECKS: Final = ("answers", "files", "metrics", "growth", "headers", "alike", "nodes", "restart")
"""The checks of a server; each is a column in the kill matrix."""

SERVERS: Final[Sequence[ServerMutant]] = (*SERVER_MUTANTS, *HONEST_SERVERS)
LEAKY: Final = len(SERVER_MUTANTS)
"""How many of `SERVERS` leak: the first ones."""

_HOST: Final = "updates.example.org"
# One of the first two addresses has an odd digest, so answers that depend on that differ.
_SOURCES: Final = ("127.64.9.9", "127.65.8.8", "127.66.7.7", "127.0.0.2")
_LAYERS: Final = 1
_BATCH: Final = 40


def try_server(number: int, seed: int) -> tuple[str, ...]:
    """Start two nodes of a server of the library, and apply all checks to one of them.

    Returns the checks that found something.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        nodes = []
        for node in (1, 2):
            own = Path(folder) / str(node)
            own.mkdir()
            nodes.append(SERVERS[number].make(own, node))
            stack.callback(nodes[-1].close)
        one, two = (plan_site(f"http://127.0.0.1:{node.port}", _HOST) for node in nodes)
        metrics = f"http://127.0.0.1:{one.port}/metrics"
        inputs = ServerInputs(
            site=one,
            places=Places((Path(folder) / "1",), (), (metrics,)),
            against=(two,),
            restart=nodes[0].restart,
            sources=_SOURCES,
            settle=0.0,
            layers=_LAYERS,
            batch=_BATCH,
        )
        tape = Tape(f"{seed} server {number}".encode())
        dependencies = Dependencies(tape.data, time.sleep, time.monotonic)
        return examine_server(inputs, dependencies, _draw_canaries(seed)).failed()


@cache
def _draw_canaries(seed: int) -> Canaries:
    """Draw the canaries once for all servers, which have the same host name and public tree."""
    tape = Tape(f"{seed} canaries".encode())
    paths = [path.encode() for path in TREE]
    return Canaries(_HOST.encode(), paths, tape.data, tls=False, layers=_LAYERS)
