"""What a leaky server consists of, for trials of the instrument."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from client_sim.lab.server_mutants.toy import Running, ToyServer


@dataclass(frozen=True, slots=True)
class ServerMutant:
    """A server: `family` is its row of the channel catalogue, L57 or L58, or `clean`.

    `id` is short and unique, of a-z, 0-9 and hyphens; `leak` says in a sentence what it does.
    `make(folder, node)` starts one on loopback that writes into `folder`; two nodes of one service
    have different numbers. The caller closes it.
    """

    id: str
    family: str
    leak: str
    make: Callable[[Path, int], Running]


def make_mutant(family: str, kind: type[ToyServer]) -> ServerMutant:
    """Describe a kind of server, by its name and the first line of its description."""
    name = re.sub(r"(?=[A-Z])", "-", kind.__name__.removeprefix("_")).lower()
    leak = (kind.__doc__ or "").splitlines()[0]

    def make(folder: Path, node: int) -> Running:
        return Running(kind, folder, node)

    return ServerMutant(f"{family.lower()}{name}", family, leak, make)
