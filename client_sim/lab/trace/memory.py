"""Worlds in which a client runs: the interface for scenarios, and a world inside one process.

`MemoryWorld` has virtual time, a scripted server, and no sockets. Its randomness is determined by
the seed, separately for each poll.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from types import MappingProxyType
from typing import Final, Self

from client_sim.lab.trace.hello import Wire
from client_sim.persona import Persona
from client_sim.world import Public, Stream

OTHER_ADDRESS: Final = "192.0.2.1"
"""The address of every host except the update server (RFC 5737: not routed)."""


@dataclass(frozen=True, slots=True)
class Entropy:
    """A seed for a whole run, and other seeds for single polls.

    `instead` maps the number of a poll to the seed of everything drawn from the beginning of that
    poll to the beginning of the next. Polls count from 1; 0 stands for draws before the first. Two
    runs can thus differ in the randomness of a single poll.
    """

    seed: bytes
    instead: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def seed_of(self, poll: int) -> bytes:
        """Return the seed of the draws in and after a poll."""
        return self.instead.get(poll, self.seed)


class SeededEntropy:
    """Randomness from a separate sequence for each poll and for each drawn length.

    An extra draw of another length in one of two runs therefore does not change the other draws.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._poll = 0
        self._drawn: Counter[int] = Counter()

    def begin_poll(self, poll: int) -> None:
        """Switch to the sequences of a poll."""
        self._poll = poll
        self._drawn.clear()

    def __call__(self, n: int) -> bytes:
        """Return the next `n` bytes."""
        self._drawn[n] += 1
        seed = self._entropy.seed_of(self._poll)
        place = b"%d\x00%d\x00%d\x00%s" % (self._poll, n, self._drawn[n], seed)
        return hashlib.shake_256(place).digest(n)


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a scripted server: the bytes sent since its last answer, and the connection.

    `now` is the virtual time and `connection` counts from 0 in a run. `address`, `port` and `tls`
    are what the client connected to.
    """

    data: bytes
    now: float
    connection: int
    address: str
    port: int
    tls: str | None


_IDLE: Final = 15.0  # seconds; idle timeout of hening's server


_SHARED: Final = ip_network("100.64.0.0/10")


_PRIVATE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


Responder = Callable[[Request], bytes]
"""A scripted server: returns the next bytes of its answer; b"" closes the connection.

An OSError that it raises reaches the client as a connection that breaks or times out. Its optional
method `reach` is called without bytes before a name is resolved and before a connection is made; an
OSError makes that step fail. For a name, `address` is the name and `port` is 0."""


class Pieces(bytes):
    """An answer that arrives in pieces, each given by the seconds to wait for it and its length.

    The rest of the answer arrives in one piece, without a wait. If there is an `error`, it is
    raised after everything has arrived.
    """

    pieces: tuple[tuple[float, int], ...]
    error: OSError | None

    def __new__(
        cls,
        data: bytes,
        pieces: Iterable[tuple[float, int]] = (),
        *,
        error: OSError | None = None,
    ) -> Self:
        """Make the answer."""
        made = super().__new__(cls, data)
        made.pieces = tuple(pieces)
        made.error = error
        return made


class MemoryStream:
    """One end of a connection to a scripted server in the same process.

    `wait` is called with the seconds that a piece of an answer takes. A client that reads when no
    answer is pending waits for the server's idle timeout.
    """

    def __init__(self, respond: Callable[[bytes], bytes], wait: Callable[[float], None]) -> None:
        self._respond = respond
        self._wait = wait
        self._request = b""
        self._answer = b""
        self._answered = b""
        self._pieces: Iterator[tuple[float, int]] = iter(())
        self._piece = 0
        self._error: OSError | None = None
        self._open = True

    def send(self, data: bytes) -> None:
        """Send bytes to the script; raise OSError if the stream is closed."""
        self._check_open()
        self._request += data

    def recv(self, limit: int) -> bytes:
        """Return at most `limit` bytes of the answer; b"" when there is none left."""
        self._check_open()
        if not self._answer:
            self._raise_error()
            if not self._request and _keeps_open(self._answered):
                self._wait(_IDLE)
                self._answered = b""
            self._take_answer()
        if not self._piece:
            seconds, self._piece = next(self._pieces, (0.0, len(self._answer)))
            self._wait(seconds)
        if not self._answer:
            self._raise_error()
        limit = min(limit, self._piece)
        self._piece -= limit
        chunk, self._answer = self._answer[:limit], self._answer[limit:]
        return chunk

    def close(self) -> None:
        """Close; closing twice is harmless, as with sockets."""
        self._open = False

    def is_unread(self) -> bool:
        """Return whether an answer was requested or has arrived that the client has not read.

        Closing such a socket resets the connection.
        """
        return self._open and bool(self._request or self._answer)

    def _take_answer(self) -> None:
        if not self._request:
            return
        answer, self._request = self._respond(self._request), b""
        self._answer = self._answered = bytes(answer)
        self._piece = 0
        if isinstance(answer, Pieces):
            self._pieces = iter(answer.pieces)
            self._error = answer.error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _check_open(self) -> None:
        if not self._open:
            raise OSError("the connection is closed")


def _keeps_open(answer: bytes) -> bool:
    """Return whether a server keeps the connection open after this complete answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    return b"content-length: %d" % len(body) in lines and b"connection: close" not in lines


def list_addresses(host: str) -> Sequence[str]:
    """Return the two addresses of a host name, which are the same in all worlds.

    They are in the shared address space of carriers (RFC 6598), so they belong to no server and do
    not look like documentation addresses. Every fourth name has private addresses (RFC 1918).
    """
    digest = hashlib.sha256(host.encode()).digest()
    network = _PRIVATE[digest[4] % len(_PRIVATE)] if is_private(host) else _SHARED
    first = int.from_bytes(digest[:3], "big") % network.num_addresses & ~1
    return [str(network[first]), str(network[first | 1])]


def is_private(host: str) -> bool:
    """Return whether a host name has private addresses, as in an office network."""
    return hashlib.sha256(host.encode()).digest()[3] % 4 == 0


class VirtualWorld:
    """Base class of the lab's worlds, whose clock a scenario moves."""

    def __init__(
        self, public: Public, personal: Persona | None, *, entropy: Entropy, start: float
    ) -> None:
        self.public = public
        self.personal = personal
        self.state: MutableMapping[str, bytes] = {}
        self.entropy = SeededEntropy(entropy)
        self._now = start
        self._set_back = 0.0  # seconds that the phone's clock was set back

    def now(self) -> float:
        """Return the virtual time."""
        return self._now - self._set_back

    def advance_to(self, now: float) -> None:
        """Set the clock to epoch seconds `now`."""
        self._now = now + self._set_back

    def set_back(self, seconds: float) -> None:
        """Set the phone's clock back; in memory the server's clock is not changed."""
        self._set_back += seconds

    def begin_poll(self, poll: int) -> None:
        """Switch to the randomness of a poll; the first is 1."""
        self.entropy.begin_poll(poll)

    def far_ends(self) -> Sequence[bytes] | None:
        """Close open connections, and return what the other end of each connection received.

        The order is that of connecting. None if the other end is this object.
        """
        return None

    def wires(self) -> Sequence[Wire] | None:
        """Return what the network saw of each connection; None if there is no network."""
        return None


class MemoryWorld(VirtualWorld):
    """A world in which one scripted server answers for every host name and address."""

    def __init__(
        self,
        public: Public,
        personal: Persona | None,
        *,
        entropy: Entropy,
        start: float,
        respond: Responder,
    ) -> None:
        super().__init__(public, personal, entropy=entropy, start=start)
        self._respond = respond
        self._reach: Callable[[Request], object] = getattr(respond, "reach", lambda _request: None)
        self._connections = 0

    def resolve(self, host: str) -> Sequence[str]:
        """Resolve every host name: the update server has two addresses, all others share one.

        With a single address, a leak through the choice of an address would not be noticed.
        """
        try:
            self._reach(Request(b"", self._now, self._connections, host, 0, None))
        except OSError:
            # Count the connection that would have followed, so that the next attempt gets the next
            # number.
            self._connections += 1
            raise
        return list_addresses(host) if host == self.public.host else [OTHER_ADDRESS]

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect to the script."""
        connection = self._connections
        self._connections += 1
        self._reach(Request(b"", self._now, connection, address, port, tls))
        return MemoryStream(
            lambda data: self._respond(Request(data, self._now, connection, address, port, tls)),
            self._wait,
        )

    def _wait(self, seconds: float) -> None:
        self._now += seconds
