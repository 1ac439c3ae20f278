"""What a mutant is: a client that leaks in one known way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from client_sim.lab.mutants.beneath import LeakingWorld, leak_beneath
from client_sim.lab.trace.sockets import MakeDial
from client_sim.world import Client, Factory, World


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


def mutant_of(
    kind: type[LeakingWorld] | Callable[[World], Client], name: str, family: str, *only: str
) -> Mutant:
    """Make the mutant of a class: a client, or a world below the phone's own client.

    The first paragraph of its docstring says what it leaks.
    """
    leak = first_paragraph(kind)
    if isinstance(kind, type) and issubclass(kind, LeakingWorld):
        return Mutant(name, family, leak, leak_beneath(kind), only=only)
    return Mutant(name, family, leak, cast("Factory", kind), only=only)


def first_paragraph(documented: object) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join((documented.__doc__ or "").partition("\n\n")[0].split())
