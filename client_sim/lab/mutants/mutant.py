"""What a mutant is: a client that leaks in one known way."""

from dataclasses import dataclass

from client_sim.lab.trace.sockets import MakeDial
from client_sim.world import Factory


@dataclass(frozen=True, slots=True)
class Mutant:
    """A leaky client: `family` is its row of the channel catalogue (`L01` to `L58`).

    `id` is short and unique, of a-z, 0-9 and hyphens; `leak` says in a sentence what it reveals and
    how. Where not the client leaks but a layer below it, `dial` begins its TLS. `only` names the
    batteries that examine it, where others do not meet what it waits for, or see no more.
    """

    id: str
    family: str
    leak: str
    make: Factory
    dial: MakeDial | None = None
    only: tuple[str, ...] = ()
