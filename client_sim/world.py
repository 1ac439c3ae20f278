"""The interface between a client under test and everything outside it.

The lab accepts any client that has a factory `factory(world) -> client`. A client sends only
through its world, so the world sees the whole trace: names resolved, connections made, bytes sent.
The clean client gets no `personal`.
"""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from client_sim.persona import Persona


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """The facts of one build, as the signed release states them.

    `counter` is the release's position in the sequence of its codename, `post_timestamp` the build
    time in epoch seconds, `security_patch_level` a date `YYYY-MM-DD`.
    """

    fingerprint: str
    incremental: str
    counter: int
    post_timestamp: int
    security_patch_level: str


@dataclass(frozen=True, slots=True)
class Public:
    """The public facts, which are the same for all phones of a model, region, channel and build.

    `root` is the TUF root that the ROM ships, `ota_certificate` the PEM certificate that packages
    are signed with, `built_at` the build date (epoch seconds), a floor for the clock. `tls` is
    false only on loopback. `build` is the running build, which the bootloader marked successful.
    """

    host: str
    port: int
    tls: bool
    codename: str
    region: str
    channel: str
    root: bytes
    ota_certificate: bytes
    built_at: int
    build: BuildFacts


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to the phone between two polls, such as `sim-inserted`."""

    name: str
    details: tuple[tuple[str, str], ...] = ()


class Stream(Protocol):
    """One connection. `recv` returns b"" at the end; all calls raise OSError when it breaks."""

    def send(self, data: bytes) -> None: ...  # noqa: D102
    def recv(self, limit: int) -> bytes: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class World(Protocol):
    """The only access that a client has to anything outside it.

    `state` is a small mapping that survives restarts; a value is durable when the assignment
    returns. `entropy(n)` gives n bytes of fresh randomness, `now()` epoch seconds. `resolve`
    answers a DNS question with addresses; `connect` takes one of them, and `tls` is the server
    name to authenticate, or None for plain text. Both raise OSError.
    """

    public: Public
    personal: Persona | None
    state: MutableMapping[str, bytes]

    def entropy(self, n: int) -> bytes: ...  # noqa: D102
    def now(self) -> float: ...  # noqa: D102
    def resolve(self, host: str) -> Sequence[str]: ...  # noqa: D102
    def connect(self, address: str, port: int, tls: str | None) -> Stream: ...  # noqa: D102


class Client(Protocol):
    """A phone's polling software: synchronous, and called by the lab.

    `poll` polls once and returns its decision (any value with a readable `str`); `on_event`
    receives the events between polls; `next_poll(now)` returns the time of the next poll in epoch
    seconds.
    `next_poll` is called after each poll, event and start. It returns the same time until that
    poll, unless the phone was reset, or the time has passed or is over eight hours ahead.
    """

    def poll(self) -> Any: ...  # noqa: ANN401, D102
    def on_event(self, event: Event) -> None: ...  # noqa: D102
    def next_poll(self, now: float) -> float: ...  # noqa: D102


Factory = Callable[[World], Client]
"""Makes a client; called again after each restart, with the earlier `state`."""
