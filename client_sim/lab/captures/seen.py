"""What the readers of captures make of them, whatever the format.

`observe_capture` makes of it the trace that oracles read; what only an audit uses, such as gaps and
whether there were keys, stays here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from client_sim.lab.trace.hello import ClientHello
from client_sim.lab.trace.wires import Wire


class State(StrEnum):
    """How much of a connection's bytes can be judged."""

    PLAIN = "plain"
    DECRYPTED = "decrypted"
    ENCRYPTED = "encrypted"
    SILENT = "silent"
    NAMES = "names"


READABLE: Final = frozenset({State.PLAIN, State.DECRYPTED})
"""States in which requests can be read."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One connection: `data` are what left the phone on it, before TLS where that is known.

    `target` is `ADDRESS PORT TLS-NAME`, empty where nothing says it. `frame` is the number of its
    first frame, 0 where the format has none. `pieces` says when which part of the bytes left (epoch
    seconds, length), `segments` how long each segment on the wire was, TLS included. `closed` says
    when the phone closed, by a reset where `is_reset` says so, and `wire` what the network saw.
    `name` is the host that the format itself says was contacted. `gaps` are sentences about what is
    missing, `odd` bytes that contradict others, each with a label, `readings` what another program
    makes of the bytes.
    """

    where: str
    target: bytes
    frame: int
    at: float
    data: bytes
    state: State
    near: str = ""
    name: bytes | None = None
    hello: ClientHello | None = None
    wire: Wire | None = None
    pieces: tuple[tuple[float, int], ...] = ()
    segments: tuple[int, ...] = ()
    closed: float | None = None
    is_reset: bool = False
    received: int = 0
    gaps: tuple[str, ...] = ()
    odd: tuple[tuple[str, bytes], ...] = ()
    readings: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A name that was asked for: where, its spelling, the rest of its message, and when."""

    where: str
    name: bytes
    kind: int
    extra: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Loose:
    """Traffic that is neither a connection nor a question: `data` are all that it carried.

    `at` is when it began.
    """

    label: str
    where: str
    frames: int
    data: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Capture:
    """All of it. `addresses` are those that answers gave for a name, in small letters.

    `passed` counts frames that are not judged by what they are, such as ARP; `others` those that
    are neither to nor from the phone. `notes` are sentences about what the format cannot show.
    """

    form: str
    conversations: tuple[Conversation, ...]
    asked: tuple[Asked, ...] = ()
    loose: tuple[Loose, ...] = ()
    addresses: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    notes: tuple[str, ...] = ()
