"""What a row of the table of leaky clients consists of: source, encodings, place, trigger.

Each part says in a few words what it is; a row's sentence is made of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from client_sim.lab.mutants.spy import Spy
from client_sim.world import World


@dataclass(frozen=True, slots=True)
class Source:
    """What leaks. `read` returns the value as the bytes that encodings begin with.

    `header` names a line of the server's answers that has to be kept for it, `event` an event
    whose details have to be.
    """

    says: str
    read: Callable[[Spy], bytes]
    header: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What is done to the value; numbers are decimal digits, a bit is `0` or `1`."""

    says: str
    encode: Callable[[Spy, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Trigger:
    """When it leaks: asked each time that something could be put into its place."""

    says: str
    holds: Callable[[Spy], bool]
    header: str = ""


class Target(NamedTuple):
    """What a connection is made to; `tls` is the name to authenticate, None for plain text.

    `address` is which of the addresses of the host is taken.
    """

    host: str
    port: int
    tls: str | None
    address: int = 0


@dataclass(frozen=True, slots=True)
class InBytes:
    """A place in each request: other bytes, or the same in several writes."""

    says: str
    put: Callable[[bytes, bytes], bytes | Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class InPaths:
    """A place in what one poll asks for, which the polling client itself never changes."""

    says: str
    put: Callable[[bytes, Sequence[str]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class InTime:
    """A place in the time of the next poll: the value, now, and the time that was drawn.

    With `at_draw` it is put there once, when the toy client draws the time; else whenever it is
    asked for.
    """

    says: str
    put: Callable[[bytes, float, float], float]
    at_draw: bool = False


@dataclass(frozen=True, slots=True)
class InTarget:
    """A place in the host, the port or the name for TLS that is connected to."""

    says: str
    put: Callable[[bytes, Target], Target]


@dataclass(frozen=True, slots=True)
class Beside:
    """Something that is done beside the honest polls.

    `moment` is `start`, `poll` or `polled` for before and after a poll, `connect` for before each
    connection of the real client, `refusal` for a connection that is not made, `failure` for a poll
    that breaks off, or the name of an event.
    """

    says: str
    moment: str
    act: Callable[[bytes, World], None]


Place = InBytes | InPaths | InTime | InTarget | Beside

ALWAYS: Final = Trigger("", lambda _spy: True)


@dataclass(frozen=True, slots=True)
class Row:
    """A leaky client: the toy client, or `real` for the phone's own client over a transport.

    `only` names the batteries that examine it, as in `Mutant`.
    """

    id: str
    family: str
    source: Source
    encodings: tuple[Encoding, ...]
    place: Place
    trigger: Trigger = ALWAYS
    real: bool = False
    only: tuple[str, ...] = ()

    @property
    def leak(self) -> str:
        """Say in a sentence what it reveals and how."""
        carrier = "The real client's transport" if self.real else "The client"
        value = " of ".join([*(each.says for each in self.encodings[::-1]), self.source.says])
        return (
            " ".join(f"{carrier} shows {value} {self.place.says} {self.trigger.says}".split()) + "."
        )

    def tell(self, spy: Spy) -> bytes | None:
        """Return the encoded value if it is to be told now."""
        if not self.trigger.holds(spy):
            return None
        value = self.source.read(spy)
        for encoding in self.encodings:
            value = encoding.encode(spy, value)
        return value


beneath: Final = partial(Row, real=True)
"""A row of the phone's own client over a transport that leaks."""
