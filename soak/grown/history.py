"""The history of a run: one line of JSON for each event, in the order in which they were recorded.

`at` counts seconds of one monotonic clock. Commands have names that are used once.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

HISTORY = "history.jsonl"


class Shown(msgspec.Struct, frozen=True):
    """What a channel offers: the build `counter`; `offered`, `paused` or `halted`; the reason."""

    counter: int
    state: str
    reason: str


class Event(msgspec.Struct, frozen=True, tag_field="kind"):
    """Something that happened."""

    at: float


class Sent(Event, frozen=True, tag="sent"):
    """A command was sent: `publish` version `number` of a role, or an action on a channel.

    `subject` is the role or the channel; `number` is otherwise the counter of the build. `words`
    are the reason of a halt or pause.
    """

    command: str
    action: str
    subject: str
    number: int
    words: str = ""


class Acknowledged(Event, frozen=True, tag="acknowledged"):
    """A command was answered as done; `snapshot` shows it. `change` is its id in the database."""

    command: str
    snapshot: int
    change: str = ""


class Refused(Event, frozen=True, tag="refused"):
    """A command was answered as refused, and has no effect."""

    command: str
    why: str


class Unanswered(Event, frozen=True, tag="unanswered"):
    """A command had no answer at all, and may have an effect."""

    command: str
    why: str


class Seen(Event, frozen=True, tag="seen"):
    """A node's versions; `is_ready` is what it said of itself just before that."""

    node: str
    is_ready: bool
    timestamp: int
    snapshot: int


class Ready(Event, frozen=True, tag="ready"):
    """A node that serves no phones said that it is ready."""

    node: str


class State(Event, frozen=True, tag="state"):
    """What a verified snapshot says: versions of roles, and what channels offer."""

    node: str
    snapshot: int
    roles: Mapping[str, int]
    channels: Mapping[str, Shown]


class Unverified(Event, frozen=True, tag="unverified"):
    """A node served what a TUF client refuses."""

    node: str
    why: str


class Fetched(Event, frozen=True, tag="fetched"):
    """A node was asked for a package, after it had shown `snapshot`."""

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
    """The last fault is over; all has to be well `within` so many seconds."""

    within: float


class Ended(Event, frozen=True, tag="ended"):
    """A program ended by itself; `again` says whether it was started again."""

    program: str
    status: int
    again: bool


class Listed(Event, frozen=True, tag="listed"):
    """The changes in the database at the end, by id: what became of each."""

    changes: Mapping[str, str]


class Polled(Event, frozen=True, tag="polled"):
    """At the end: how many polls of phones were answered, and when those began that were not."""

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
        """Record an event; the file has it when this returns."""
        with self._lock:
            self.events.append(event)
            self._file.write(msgspec.json.encode(event) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def load_history(path: Path) -> list[AnyEvent]:
    """Read a history again."""
    decoder = msgspec.json.Decoder(AnyEvent)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]
