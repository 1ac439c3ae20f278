"""The egress list: which hosts a polling phone talks to, and which names it asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.world import Public


@dataclass(frozen=True, slots=True)
class Stray:
    """A departure that goes where no poll goes; `field` says by what: name, port, TLS name."""

    departure: Departure
    explanation: str
    field: str


def find_strays(observation: Observation, public: Public) -> tuple[Stray, ...]:
    """Check that only the host of the ROM image is asked for and connected to, as it must be.

    A name is resolved once per connection, and only one connection is open at a time; each is
    closed in the poll that opened it. The address is the first that the name gave, where that is
    known.
    """
    found: list[Stray] = []
    asked = 0
    still_open: Departure | None = None
    for departure in observation.departures:
        match departure.channel:
            case Channel.DNS:
                asked += 1
                if departure.data != public.host.encode():
                    words = f"the only name to ask for is {public.host}"
                    found.append(Stray(departure, words, "name"))
                elif asked > 1:
                    words = "a name is asked for once per connection"
                    found.append(Stray(departure, words, "number of questions"))
            case Channel.CONNECT:
                found += _strays_of_connect(departure, public, asked, still_open)
                found += _strays_of_address(departure, observation.nearest)
                asked, still_open = 0, departure
            case Channel.CLOSE:
                still_open = None
            case Channel.DETOUR:
                words = "all that leaves must go through the world that the client is given"
                found.append(Stray(departure, words, "detour"))
            case Channel.SCHEDULE if still_open is not None:
                words = "the connection was not closed after the poll"
                found.append(Stray(still_open, words, "close"))
                still_open = None
            case _:
                pass
    return tuple(found)


def _strays_of_connect(
    departure: Departure, public: Public, asked: int, still_open: Departure | None
) -> Iterator[Stray]:
    port, _, name = departure.data.partition(b" ")[2].partition(b" ")
    if port != b"%d" % public.port:
        yield Stray(departure, f"the port is not the ROM's, {public.port}", "port")
    if name != (public.host if public.tls else "plain").encode():
        wanted = public.host if public.tls else "none"
        yield Stray(departure, f"the TLS name is not the ROM's, {wanted}", "TLS name")
    if asked == 0:
        yield Stray(departure, "an address that no question was asked for", "address")
    if still_open is not None:
        yield Stray(departure, "a second connection at the same time", "connections")


def _strays_of_address(departure: Departure, nearest: Sequence[str | None]) -> Iterator[Stray]:
    wanted = dict(enumerate(nearest)).get(departure.connection)
    if wanted is not None and departure.data.partition(b" ")[0] != wanted.encode():
        words = f"the address is not the first that the name gave, {wanted}"
        yield Stray(departure, words, "address")
