"""What a leaky client draws on: its owner's data, and what it remembers from poll to poll.

Also the toy client with these, and what adds to the bytes of a request.
"""

from collections.abc import Iterable

from client_sim.lab.clients.toy import ToyClient
from client_sim.persona import Persona
from client_sim.world import Event, World


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
        number = self.counted(name) + 1
        self.world.state[name] = b"%d" % number
        return number

    def counted(self, name: str) -> int:
        """Return how often a name was counted."""
        return int(self.world.state.get(name, b"0"))

    def keep(self, name: str, size: int) -> bytes:
        """Return `size` random bytes that are drawn once and stay for ever."""
        if name not in self.world.state:
            self.world.state[name] = self.world.entropy(size)
        return self.world.state[name]

    def mark(self, name: str) -> None:
        """Note that something happened, and in which poll, or behind which."""
        self.count(name)
        self.world.state[f"place of {name}"] = b"%d" % self.count("things")
        poll = b"%d" % self.counted("polls")
        before = self.world.state.get(f"poll of {name}", poll)
        self.world.state[f"polls between {name}"] = b"%d" % (int(poll) - int(before))
        self.world.state[f"poll of {name}"] = poll

    def place_of(self, name: str) -> int:
        """Return which of all things that were noted it was last, from 1; 0 if it was not."""
        return self.counted(f"place of {name}")

    def polls_since(self, name: str) -> int | None:
        """Return how many polls ago it happened last; None if it did not."""
        poll = self.world.state.get(f"poll of {name}")
        return None if poll is None else self.counted("polls") - int(poll)

    def begin_poll(self) -> None:
        """Count a poll, and note the seconds since the one before."""
        state, now = self.world.state, int(self.world.now())
        self.count("polls")
        state.setdefault("born", b"%d" % now)
        state["since"] = b"%d" % (now - int(state.get("last", b"%d" % now)))
        state["last"] = b"%d" % now

    def hear(self, name: str, value: str) -> None:
        """Keep what a server said last, and what it said first."""
        self.world.state[f"heard {name}"] = value.encode("latin-1")
        self.world.state.setdefault(f"heard first {name}", value.encode("latin-1"))

    def heard(self, name: str) -> bytes:
        """Return what a server said, or nothing."""
        return self.world.state.get(f"heard {name}", b"")

    def learn(self, event: Event) -> None:
        """Keep the details of an event."""
        for name, value in event.details:
            self.world.state[f"detail {name}"] = value.encode()


class Snoop(ToyClient):
    """The toy client with access to its owner's data."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.spy = Spy(world)


def first(values: Iterable[str]) -> str:
    """Return the first of some values, or nothing where there is none."""
    return next(iter(values), "")


def digit(text: str, place: int) -> int:
    """Return a digit for a place of any text: an IMEI's own, a derived one for other text."""
    return ord(text[place % len(text)]) % 48 % 10 if text else 0


def add_line(data: bytes, line: str) -> bytes:
    """Add a header line to a request without a body."""
    return data.removesuffix(b"\r\n") + line.encode() + b"\r\n\r\n"


def add_body(data: bytes, body: bytes) -> bytes:
    """Add a body to a request without one."""
    return add_line(data, f"Content-Length: {len(body)}") + body
