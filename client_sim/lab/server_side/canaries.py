"""A canary in every position of a request to one server, and the search for them all."""

from collections.abc import Callable, Sequence
from typing import Final

from client_sim.lab.server_side.framings import plan_framings, plan_tls
from client_sim.lab.server_side.planting import Planted, plant
from client_sim.lab.server_side.positions import PATH, plan_heads
from client_sim.lab.server_side.sieve import Sieve

_THERE: Final = 8  # paths of the server's own that planted requests ask for


class Canaries:
    """The planted requests, in the order in which they are sent, and a search for their values.

    `paths` are some that the server has. Servers with the same name may be sent the same ones.
    """

    def __init__(
        self,
        host: bytes,
        paths: Sequence[bytes],
        entropy: Callable[[int], bytes],
        *,
        tls: bool,
        layers: int,
    ) -> None:
        there = tuple(path for path in paths if path != PATH)[:_THERE]
        templates = [*plan_heads(host, there), *plan_framings(host)]
        if tls:
            templates += plan_tls(host)
        self.planted: list[Planted] = [plant(template, entropy) for template in templates]
        named = {
            f"{each.template.position} (request {number})": each
            for number, each in enumerate(self.planted, 1)
        }
        self.sieve = Sieve(
            {name: each.values for name, each in named.items()},
            {name: each.halves for name, each in named.items()},
            {name: each.wholes for name, each in named.items()},
            layers,
        )
