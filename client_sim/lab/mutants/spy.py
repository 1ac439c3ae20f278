"""Access of a leaky client to its owner's data and to its notes from earlier polls.

Also functions that add to the bytes of a request.
"""

from collections.abc import Iterable

from client_sim.persona import Persona
from client_sim.world import Event, World


class Spy:
    """Reads a world for a leak in a client or in a transport; its notes survive restarts."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def owner(self) -> Persona:
        """The owner's data; raises RuntimeError in a world without an owner."""
        owner = self.world.personal
        if owner is None:
            raise RuntimeError("this client needs a persona to leak: give its world one")
        return owner

    def increment(self, name: str) -> int:
        """Increment a counter and return it, from 1; restarts do not reset it."""
        number = self.get_count(name) + 1
        self.world.state[name] = b"%d" % number
        return number

    def get_count(self, name: str) -> int:
        """Return the value of a counter."""
        return int(self.world.state.get(name, b"0"))

    def draw_once(self, name: str, size: int) -> bytes:
        """Return `size` random bytes that are drawn once and kept."""
        if name not in self.world.state:
            self.world.state[name] = self.world.entropy(size)
        return self.world.state[name]

    def record(self, name: str) -> None:
        """Record an occurrence, with its order among all and its poll, or the poll before it."""
        self.increment(name)
        self.world.state[f"place of {name}"] = b"%d" % self.increment("things")
        polls, since = self.get_count("polls"), self.polls_since(name)
        if since != 0:
            streak = self.get_count(f"row of {name}") + 1 if since == 1 else 0
            self.world.state[f"row of {name}"] = b"%d" % streak
            self.world.state[f"polls before {name}"] = b"%d" % (polls if since is None else since)
        self.world.state[f"poll of {name}"] = b"%d" % polls

    def position_of(self, name: str) -> int:
        """Return the position of the last occurrence among all, from 1; 0 if there is none."""
        return self.get_count(f"place of {name}")

    def polls_since(self, name: str) -> int | None:
        """Return the number of polls since the last occurrence; None if there is none."""
        poll = self.world.state.get(f"poll of {name}")
        return None if poll is None else self.get_count("polls") - int(poll)

    def begin_poll(self) -> None:
        """Count a poll, and record the seconds since the previous one."""
        state, now = self.world.state, int(self.world.now())
        self.increment("polls")
        state.setdefault("born", b"%d" % now)
        state["since"] = b"%d" % (now - int(state.get("last", b"%d" % now)))
        state["last"] = b"%d" % now
        events, before = self.get_count("event"), self.get_count("events before")
        state["events between polls"] = b"%d" % (events - before)
        state["events before"] = b"%d" % events

    def record_header(self, name: str, value: str) -> None:
        """Record the last and the first value of a server's header."""
        self.world.state[f"heard {name}"] = value.encode("latin-1")
        self.world.state.setdefault(f"heard first {name}", value.encode("latin-1"))

    def header(self, name: str) -> bytes:
        """Return a recorded header value, or empty bytes."""
        return self.world.state.get(f"heard {name}", b"")

    def record_details(self, event: Event) -> None:
        """Record the details of an event."""
        for name, value in event.details:
            self.world.state[f"detail {name}"] = value.encode()


def first(values: Iterable[str]) -> str:
    """Return the first of some values, or an empty text."""
    return next(iter(values), "")


def digit(text: str, position: int) -> int:
    """Return the digit at a position of a text, or one derived from another character."""
    return ord(text[position % len(text)]) % 48 % 10 if text else 0


def add_line(data: bytes, line: str) -> bytes:
    """Add a header line to a request without a body."""
    return data.removesuffix(b"\r\n") + line.encode() + b"\r\n\r\n"


def add_body(data: bytes, body: bytes) -> bytes:
    """Add a body to a request without one."""
    return add_line(data, f"Content-Length: {len(body)}") + body
