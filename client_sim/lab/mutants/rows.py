"""The rows of the tables of leaky clients, and their parts: source, encodings, place, trigger.

Each part has a short description (`phrase`); together they form the sentence of a row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from client_sim.lab.mutants.spy import Spy
from client_sim.world import Stream, World


@dataclass(frozen=True, slots=True)
class Source:
    """The leaked value; `read` returns it as bytes for the first encoding.

    `header` names a header of the server's answers that must be recorded for it, and `event` an
    event whose details must be recorded.
    """

    phrase: str
    read: Callable[[Spy], bytes]
    header: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding of the value; numbers are decimal digits, a bit is `0` or `1`."""

    phrase: str
    encode: Callable[[Spy, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Trigger:
    """The condition for a leak; checked each time before the value is put into its place."""

    phrase: str
    holds: Callable[[Spy], bool]
    header: str = ""


class Target(NamedTuple):
    """The target of a connection; `tls` is the name to authenticate, None for plain text.

    `address` is the index of the host's address to use.
    """

    host: str
    port: int
    tls: str | None
    address: int = 0


@dataclass(frozen=True, slots=True)
class InBytes:
    """A place in the bytes of each request: other bytes, or several writes."""

    phrase: str
    put: Callable[[bytes, bytes], bytes | Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class InPaths:
    """A place in the paths of a poll; only for the toy client."""

    phrase: str
    put: Callable[[bytes, Sequence[str]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class InTime:
    """A place in the time of the next poll; `put` gets the value, now, and the drawn time.

    With `at_draw` the value is put once, when the time is drawn; otherwise whenever `next_poll` is
    called.
    """

    phrase: str
    put: Callable[[bytes, float, float], float]
    at_draw: bool = False


@dataclass(frozen=True, slots=True)
class InTarget:
    """A place in the host, the port or the TLS server name of a connection."""

    phrase: str
    put: Callable[[bytes, Target], Target]


@dataclass(frozen=True, slots=True)
class SideAction:
    """An action in addition to the honest polls.

    `moment` is `start`; `poll` or `polled` for before or after a poll; `connect` for before each
    connection of the real client; `refusal` for a connection that fails; `failure` for a poll that
    fails; or the name of an event.
    """

    phrase: str
    moment: str
    act: Callable[[bytes, World], None]


@dataclass(frozen=True, slots=True)
class InClose:
    """A place in the end of a connection; `put` closes it, or does not."""

    phrase: str
    put: Callable[[bytes, Stream], None]


@dataclass(frozen=True, slots=True)
class InOffer:
    """A place in the choice of an offer: the real client ignores it if `put` returns true."""

    phrase: str
    put: Callable[[bytes], bool]


Place = InBytes | InPaths | InTime | InTarget | SideAction | InClose | InOffer

ALWAYS: Final = Trigger("", lambda _spy: True)


@dataclass(frozen=True, slots=True)
class Row:
    """A leaky client: the toy client, or with `real` the phone's own over a leaky transport.

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
        """A sentence about what the row reveals and how."""
        carrier = "The real client's transport" if self.real else "The client"
        value = " of ".join([*(each.phrase for each in self.encodings[::-1]), self.source.phrase])
        value = value.replace(": of ", ": ")
        return (
            " ".join(f"{carrier} shows {value} {self.place.phrase} {self.trigger.phrase}".split())
            + "."
        )

    def leaked_value(self, spy: Spy) -> bytes | None:
        """Return the encoded value if the trigger holds, or None."""
        if not self.trigger.holds(spy):
            return None
        value = self.source.read(spy)
        for encoding in self.encodings:
            value = encoding.encode(spy, value)
        return value


transport_row: Final = partial(Row, real=True)
"""Makes a row of the phone's own client over a leaky transport."""
