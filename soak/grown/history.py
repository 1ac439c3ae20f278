"""The history of a run: one line of JSON for each event, in the order in which they were recorded.

`at` is in seconds since the run began, by a monotonic clock. Each command has a unique name.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

HISTORY = "history.jsonl"


class Shown(msgspec.Struct, frozen=True):
    """The offer of a channel: the build's counter, the state and the reason.

    `state` is `offered`, `paused` or `halted`.
    """

    counter: int
    state: str
    reason: str


class Event(msgspec.Struct, frozen=True, tag_field="kind"):
    """The base class of all events."""

    at: float


class Sent(Event, frozen=True, tag="sent"):
    """A command was sent.

    For `publish`, `subject` is a role and `number` its version. For other actions, `subject` is a
    channel and `number` the counter of the build. `words` are the reason of a halt or pause.
    """

    command: str
    action: str
    subject: str
    number: int
    words: str = ""


class Acknowledged(Event, frozen=True, tag="acknowledged"):
    """A command was answered as done, in `snapshot`. `change` is its id in the database."""

    command: str
    snapshot: int
    change: str = ""


class Refused(Event, frozen=True, tag="refused"):
    """A command was refused, and has no effect."""

    command: str
    why: str


class Unanswered(Event, frozen=True, tag="unanswered"):
    """A command had no final answer, and may have an effect."""

    command: str
    why: str


class Seen(Event, frozen=True, tag="seen"):
    """The versions that a node served; `is_ready` is the readiness it reported just before."""

    node: str
    is_ready: bool
    timestamp: int
    snapshot: int


class Ready(Event, frozen=True, tag="ready"):
    """A control or publisher node reported that it is ready."""

    node: str


class State(Event, frozen=True, tag="state"):
    """The content of a verified snapshot: versions of roles, and offers of channels."""

    node: str
    snapshot: int
    roles: Mapping[str, int]
    channels: Mapping[str, Shown]


class Unverified(Event, frozen=True, tag="unverified"):
    """A node served metadata that a TUF client rejects."""

    node: str
    why: str


class Fetched(Event, frozen=True, tag="fetched"):
    """A package was requested from a node that had served `snapshot` before."""

    node: str
    package: str
    snapshot: int
    status: int


class Withdrawn(Event, frozen=True, tag="withdrawn"):
    """A package is withdrawn by the command `command`."""

    package: str
    command: str


class Faulty(Event, frozen=True, tag="fault"):
    """A fault began, or ended."""

    name: str
    begins: bool


class Calm(Event, frozen=True, tag="calm"):
    """The last fault has ended; the site must recover within `within` seconds."""

    within: float


class Ended(Event, frozen=True, tag="ended"):
    """A program ended by itself; `again` is whether it was restarted."""

    program: str
    status: int
    again: bool


class Listed(Event, frozen=True, tag="listed"):
    """The final state of each change in the database, by id."""

    changes: Mapping[str, str]


class Polled(Event, frozen=True, tag="polled"):
    """At the end: how many polls were answered as expected, and when the failed polls began."""

    answered: int
    failed: Sequence[float]


AnyEvent = (
    Sent
    | Acknowledged
    | Refused
    | Unanswered
    | Seen
    | Ready
    | State
    | Unverified
    | Fetched
    | Withdrawn
    | Faulty
    | Calm
    | Ended
    | Listed
    | Polled
)


class History:
    """Records events from any thread, in memory and in a file."""

    def __init__(self, path: Path, monotonic: Callable[[], float]) -> None:
        self.events: list[AnyEvent] = []
        self._monotonic = monotonic
        self._begun = monotonic()
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)

    def now(self) -> float:
        """Return the seconds since the run began."""
        return round(self._monotonic() - self._begun, 4)

    def add(self, event: AnyEvent) -> None:
        """Record an event; it is in the file when this returns."""
        with self._lock:
            self.events.append(event)
            self._file.write(msgspec.json.encode(event) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def load_history(path: Path) -> list[AnyEvent]:
    """Return the events of a history file."""
    decoder = msgspec.json.Decoder(AnyEvent)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]
