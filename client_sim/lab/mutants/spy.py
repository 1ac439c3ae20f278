"""What a leaky client draws on: its owner's data, and what it remembers from poll to poll."""

from collections.abc import Callable, Iterable

from client_sim.persona import Persona
from client_sim.world import World


class Spy:
    """Reads a world on behalf of a leak, in a client or in a transport."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def owner(self) -> Persona:
        """The owner's data; raises RuntimeError in a world that has none."""
        owner = self.world.personal
        if owner is None:
            raise RuntimeError("this client needs a persona to leak: give its world one")
        return owner

    @property
    def bit(self) -> int:
        """One bit of the IMEI: the parity of its bytes."""
        return sum(self.owner.imei.encode()) % 2

    def count(self, name: str) -> int:
        """Count up and give the new number, from 1; restarts do not begin anew."""
        number = int(self.world.state.get(name, b"0")) + 1
        self.world.state[name] = b"%d" % number
        return number

    def keep(self, name: str, size: int) -> bytes:
        """Return `size` random bytes that are drawn once and stay for ever."""
        if name not in self.world.state:
            self.world.state[name] = self.world.entropy(size)
        return self.world.state[name]


Tell = Callable[[Spy], str]
"""What a leak says: computed anew whenever it is said."""


def first(values: Iterable[str]) -> str:
    """Return the first of some values, or nothing where there is none."""
    return next(iter(values), "")


def digit(text: str, place: int) -> int:
    """Return a digit for a place of any text: an IMEI's own, a derived one for other text."""
    return ord(text[place % len(text)]) % 48 % 10 if text else 0
