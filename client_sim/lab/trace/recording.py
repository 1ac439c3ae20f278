"""A wrapper of a world that records everything that leaves, and every read of the owner's data.

A client that collects data before it sends any sends no byte meanwhile. Wrappers of the owner's
data, and of events that carry it, therefore record every read. Polling needs none of this data, so
any read is a finding.
"""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import fields, replace
from ipaddress import ip_address
from typing import Any

from client_sim.lab.trace.hello import Wire
from client_sim.lab.trace.memory import MemoryStream
from client_sim.lab.trace.observation import RESET, Channel, Departure, Draw, Observation, Read
from client_sim.lab.trace.sockets import DrivenWorld
from client_sim.persona import Persona
from client_sim.world import Event, Public, Stream

_FIELDS = frozenset(field.name for field in fields(Persona))


class Tripwire(Persona):
    """A persona with unchanged values that calls `note(field)` whenever a field is read.

    Copying, printing, comparing or encoding it reads every field and is recorded as such.
    """

    __slots__ = ("_note",)
    _note: Callable[[str], None]

    def __init__(self, persona: Persona, note: Callable[[str], None]) -> None:
        for name in _FIELDS:
            object.__setattr__(self, name, getattr(persona, name))
        object.__setattr__(self, "_note", note)

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401  # whatever type the field has
        if name in _FIELDS:
            object.__getattribute__(self, "_note")(name)
        return object.__getattribute__(self, name)


class WatchedEvent(Event):
    """An event with unchanged details that calls `note(field)` when they are read.

    The details are the owner's data: a number, a text, a place. The name is not, because a client
    may distinguish a restart from a call.
    """

    __slots__ = ("_note",)
    _note: Callable[[str], None]

    def __init__(self, event: Event, note: Callable[[str], None]) -> None:
        object.__setattr__(self, "name", event.name)
        object.__setattr__(self, "details", event.details)
        object.__setattr__(self, "_note", note)

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401  # as above
        if name == "details":
            kind = object.__getattribute__(self, "name")
            object.__getattribute__(self, "_note")(f"details of {kind}")
        return object.__getattribute__(self, name)


class RecordingWorld:
    """The world that a client gets in the lab: wraps an inner world and records each departure.

    `phase` is the name of the current step and is set by the scenario. The owner's data of the
    inner world is wrapped in a tripwire.
    """

    def __init__(self, inner: DrivenWorld) -> None:
        self.phase = "start"
        self.public: Public = inner.public
        self.state: MutableMapping[str, bytes] = inner.state
        self.personal: Persona | None = (
            None if inner.personal is None else Tripwire(inner.personal, self._note_read)
        )
        self.outcomes: list[str] = []
        self.failures: dict[str, str] = {}
        self._inner = inner
        self._departures: list[Departure] = []
        self._draws: list[Draw] = []
        self._reads: list[Read] = []
        self._received: list[bytes] = []
        self._answered: str | None = None
        self._nearest: list[str | None] = []

    def entropy(self, n: int) -> bytes:
        """Return `n` bytes of the inner world's randomness."""
        data = self._inner.entropy(n)
        self._draws.append(Draw(self.phase, data))
        return data

    def now(self) -> float:
        """Return the inner world's time."""
        return self._inner.now()

    def resolve(self, host: str) -> Sequence[str]:
        """Record the question and resolve the name."""
        self.note(Channel.DNS, host.encode())
        addresses = self._inner.resolve(host)
        self._answered = next(iter(addresses), None)
        return addresses

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Record the target and connect; a host name is resolved first."""
        if not is_address(address):
            address = self.resolve(address)[0]
        target = f"{address} {port} {tls or 'plain'}".encode()
        connection = len(self._received)
        self.note(Channel.CONNECT, target, connection)
        self._received.append(b"")
        self._nearest.append(self._answered)
        try:
            stream = self._inner.connect(address, port, tls)
        except OSError:
            self.note(Channel.CLOSE, b"", connection)
            raise
        return _RecordingStream(self, stream, connection)

    def begin_poll(self, poll: int) -> None:
        """Set the phase of a poll, and switch to its randomness."""
        self.phase = f"poll {poll}"
        self._inner.begin_poll(poll)

    def watch(self, event: Event) -> Event:
        """Return the event for a client, with its details wrapped in a tripwire."""
        return WatchedEvent(event, self._note_read)

    def note(self, channel: Channel, data: bytes, connection: int = -1) -> None:
        """Record a departure with the current time and phase."""
        self._departures.append(Departure(self.now(), self.phase, channel, connection, data))

    def note_outcome(self, outcome: object) -> None:
        """Record the decision that a poll reports, and its `failure` if it has one."""
        self.outcomes.append(str(outcome))
        failure = getattr(outcome, "failure", None)
        if failure is not None:
            self.failures[self.phase] = f"the poll ended early: {failure}"

    def note_received(self, connection: int, data: bytes) -> None:
        """Record received bytes, to compare them with what is sent later."""
        self._received[connection] += data

    def observation(self) -> Observation:
        """End the run and return everything that was recorded."""
        far_ends = self._inner.far_ends()
        return Observation(
            departures=tuple(self._with_wires(self._inner.wires())),
            draws=tuple(self._draws),
            reads=tuple(self._reads),
            received=tuple(self._received),
            far_end=None if far_ends is None else tuple(far_ends),
            outcomes=tuple(self.outcomes),
            failures=dict(self.failures),
            nearest=tuple(self._nearest),
        )

    def _with_wires(self, wires: Sequence[Wire] | None) -> Iterator[Departure]:
        """Insert the network's view of each connection after its `CONNECT`, and mark resets."""
        for departure in self._departures:
            if departure.channel is Channel.CLOSE and wires is not None:
                is_reset = wires[departure.connection].is_reset
                yield replace(departure, data=RESET) if is_reset else departure
                continue
            yield departure
            if wires is not None and departure.channel is Channel.CONNECT:
                wire = wires[departure.connection]
                yield replace(departure, channel=Channel.TLS, data=wire.parameters)
                yield replace(departure, channel=Channel.SIZES, data=wire.sizes)

    def _note_read(self, field: str) -> None:
        self._reads.append(Read(self.phase, field))


def is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class _RecordingStream:
    def __init__(self, world: RecordingWorld, inner: Stream, connection: int) -> None:
        self._world = world
        self._inner = inner
        self._connection = connection

    def send(self, data: bytes) -> None:
        # Recorded before it is sent, because bytes may have left even if the call fails.
        self._world.note(Channel.BYTES, bytes(data), self._connection)
        self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        data = self._inner.recv(limit)
        self._world.note_received(self._connection, data)
        return data

    def close(self) -> None:
        is_reset = isinstance(self._inner, MemoryStream) and self._inner.is_unread()
        self._world.note(Channel.CLOSE, RESET if is_reset else b"", self._connection)
        self._inner.close()
