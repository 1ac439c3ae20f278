"""What a capture shows, whatever its format: the trace that an audit judges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from client_sim.lab.trace.hello import ClientHello


class State(StrEnum):
    """How much of a connection's octets can be judged."""

    PLAIN = "plain"
    DECRYPTED = "decrypted"
    ENCRYPTED = "encrypted"
    SILENT = "silent"
    NAMES = "names"


@dataclass(frozen=True, slots=True)
class Conversation:
    """One connection: `octets` are what left the phone on it, before TLS where that is known.

    `frame` is the number of its first frame, 0 where the format has none. `name` is the host that
    the format itself says was contacted. `gaps` are sentences
    about what is missing, `odd` octets that contradict others, each with a label, `readings` what
    another program makes of the octets.
    """

    where: str
    far: str
    frame: int
    at: float
    octets: bytes
    state: State
    near: str = ""
    name: bytes | None = None
    hello: ClientHello | None = None
    received: int = 0
    gaps: tuple[str, ...] = ()
    odd: tuple[tuple[str, bytes], ...] = ()
    readings: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A name that was asked for: where, as it was spelled, with what beside it."""

    where: str
    name: bytes
    kind: int
    extra: bytes


@dataclass(frozen=True, slots=True)
class Loose:
    """Traffic that is neither a connection nor a question: `octets` are all that it carried."""

    label: str
    where: str
    frames: int
    octets: bytes


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
