"""The environment of a cloud client: a folder, an owner, randomness, a clock, and the network.

Everything that leaves is recorded by step. The same seed gives the same randomness in each step, so
that two runs that differ in one thing can be compared byte by byte.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from client_sim.cloud.account import Region
from client_sim.lab.cloud.double import Double
from client_sim.lab.cloud.requests import Request, split_requests
from client_sim.lab.trace.memory import Entropy, SeededEntropy
from client_sim.lab.trace.observation import Channel, Departure, Draw
from client_sim.persona import Persona
from client_sim.world import Stream

PASSWORD: Final = "hollow marble quiet ladder"  # noqa: S105 - of a phone of the lab
NAME: Final = "ani-7fq2kd5m3xwz6pta"
"""The account's name, which reveals nothing, like the names that the server reserves."""
_PHRASES: Final = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content"}

Lie = Callable[[Request, int, bytes], tuple[int, bytes] | None]
"""Changes an answer, or returns None to leave it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer; `device` counts from 0, `connection` over all devices."""

    phase: str
    device: int
    connection: int
    host: str
    request: Request
    status: int
    answer: bytes


@dataclass
class Recorder:
    """The record of all devices of a scenario; `now` is the clock of all devices and servers."""

    now: float
    phase: str = ""
    device: int = 0
    departures: list[Departure] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    derived: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0
    password: str = PASSWORD
    lie: Lie | None = None
    boundary: Callable[[str], None] | None = None

    def note(self, channel: Channel, connection: int, data: bytes) -> None:
        """Record a departure, then call `boundary`."""
        self.departures.append(Departure(self.now, self.phase, channel, connection, data))
        if self.boundary is not None and channel is not Channel.SCHEDULE:
            self.boundary(channel.value)

    def pass_boundary(self, name: str) -> None:
        """Call `boundary` because data arrived."""
        if self.boundary is not None:
            self.boundary(name)


class CloudWorld:
    """The environment of one device.

    `folder` survives restarts. `owner` is all data about the owner on the phone, and `model` is the
    phone's model. `regions` are those of its image; the owner chooses the first. `account` and
    `password` are what the owner types on all devices. `derive` replaces Argon2id; each call is
    recorded.
    """

    def __init__(
        self,
        recorder: Recorder,
        folder: Path,
        owner: Persona,
        clouds: Sequence[Double],
        *,
        seed: bytes,
        device: int = 0,
        model: str = "armani",
    ) -> None:
        self.recorder = recorder
        self.folder = folder
        self.owner = owner
        self.model = model
        self.account = NAME
        self.regions: Mapping[str, Region] = {each.name: each.region for each in clouds}
        self._clouds = {each.host: each for each in clouds}
        self._entropy = SeededEntropy(Entropy(b"%s %d" % (seed, device)))

    @property
    def password(self) -> str:
        """The account's current password."""
        return self.recorder.password

    def begin(self, step: int) -> None:
        """Switch to the randomness of a step."""
        self._entropy.begin_poll(step)

    def entropy(self, n: int) -> bytes:
        """Return `n` random bytes, and record them."""
        data = self._entropy(n)
        self.recorder.draws.append(Draw(self.recorder.phase, data))
        return data

    def now(self) -> float:
        """Return epoch seconds."""
        return self.recorder.now

    def derive(self, password: bytes, salt: bytes) -> bytes:
        """Derive the main key from a password and a salt, and record the salt."""
        self.recorder.derived.append((self.recorder.phase, salt))
        return derive_main(password, salt)

    def resolve(self, host: str) -> Sequence[str]:
        """Record the DNS question and resolve the name; every name has an address."""
        self.recorder.note(Channel.DNS, -1, host.encode())
        return [f"198.51.100.{1 + hashlib.sha256(host.encode()).digest()[0] % 250} {host}"]

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect to an address returned by `resolve`."""
        _, _, host = address.partition(" ")
        number, self.recorder.connections = self.recorder.connections, self.recorder.connections + 1
        self.recorder.note(Channel.CONNECT, number, f"{host} {port} {tls or '-'}".encode())
        return _Wire(self.recorder, self._clouds.get(host), host, number)


def derive_main(password: bytes, salt: bytes) -> bytes:
    """Derive a main key by BLAKE2b, in place of Argon2id, which takes most of a second."""
    return hashlib.blake2b(password, digest_size=32, key=salt[:16], person=b"lab main").digest()


class _Wire:
    def __init__(
        self, recorder: Recorder, cloud: Double | None, host: str, connection: int
    ) -> None:
        self._recorder = recorder
        self._cloud = cloud
        self._host = host
        self._number = connection
        self._sent = b""
        self._answer = b""
        self._open = True

    def send(self, data: bytes) -> None:
        """Record sent bytes; raise OSError if the connection is closed."""
        if not self._open:
            raise OSError("the connection is closed")
        self._sent += data
        self._recorder.note(Channel.BYTES, self._number, data)

    def recv(self, limit: int) -> bytes:
        """Return at most `limit` bytes of the answers to all complete requests."""
        if not self._answer:
            requests, self._sent = split_requests(self._sent)
            self._answer = b"".join(map(self._respond, requests))
        data, self._answer = self._answer[:limit], self._answer[limit:]
        self._recorder.pass_boundary("answer")
        return data

    def close(self) -> None:
        """Close the connection and record that."""
        if self._open:
            self._open = False
            self._recorder.note(Channel.CLOSE, self._number, b"")

    def _respond(self, request: Request) -> bytes:
        status, body = (404, b"") if self._cloud is None else self._cloud.answer(request)
        if self._recorder.lie is not None:
            status, body = self._recorder.lie(request, status, body) or (status, body)
        recorder = self._recorder
        recorder.exchanges.append(
            Exchange(
                *(recorder.phase, recorder.device, self._number, self._host),
                *(request, status, body),
            )
        )
        head = f"HTTP/1.1 {status} {_PHRASES.get(status, 'No')}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body
