"""What main process and worker say to each other.

The main process says `Start`, then pieces of a snapshot with `Whole` at their end, again with each
publication, and at last `Drain`. A worker says `Ready` once, `Counted` every second, and `Failed`
where it must end.
"""

from typing import TypeAlias

import msgspec

from server.device.counts import Counts
from server.device.gate import GateMode
from server.device.limits import Limits
from server.processes.delta import Piece, Whole
from server.storage.s3_place import S3Place

PROTOCOL = 1  # raised with each change of these messages: code on disk may be newer than a process


class Certificate(msgspec.Struct, frozen=True):
    """A certificate chain and its key, both PEM, as they were read and found to fit."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "Certificate(…)"


class Duty(msgspec.Struct, frozen=True):
    """What is the same for every worker. `hosts`: by which phones ask; `blobs`: a folder's path."""

    gate: GateMode
    limits: Limits
    hosts: tuple[bytes, ...]
    blobs: str | S3Place
    certificate: Certificate | None = None


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first message to a worker; `tcp` and `unix` are descriptors of its listening sockets."""

    protocol: int
    duty: Duty
    tcp: tuple[int, ...]
    unix: tuple[int, ...]


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Take no new connection, end what is under way within `seconds`, and then yourself."""

    seconds: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Connections are answered from now on."""


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """What was counted since the start, and the version that is served; a sign of life as well."""

    counts: Counts
    version: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The worker cannot go on, and why; the sentence holds nothing of a request."""

    sentence: str


class Said(msgspec.Struct, frozen=True, tag="said"):
    """Something went wrong that the worker goes on after; the sentence is as that of `Failed`."""

    sentence: str


ToWorker: TypeAlias = Start | Piece | Whole | Drain
FromWorker: TypeAlias = Ready | Counted | Said | Failed
WORKER_DECODER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
MAIN_DECODER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
