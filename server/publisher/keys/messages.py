"""The protocol of publisher and key process over a Unix socket: one request, one answer.

A frame is four bytes of length, most significant first, and one MessagePack map whose member `type`
names the message. Both sides are of one version of hening; nothing here is public or stored.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from server.core.checkpoint import MAX_LEAF
from server.core.encodings import MAX_INTEGER
from server.core.errors import FormatError
from server.core.note import MAX_NOTE
from server.publisher.verify import RoleVersion

FRAME_LIMIT = 256 << 20
"""Bytes: all role files of a site at its first request; a usual one has a few kilobytes."""
HEAD = 4  # bytes of a frame's length
MAX_LEAVES = 100_000  # in one answer
MAX_TEXT = 4096  # bytes of a checkpoint's text, which is a note's

Version = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Entries = list[Annotated[bytes, msgspec.Meta(max_length=MAX_LEAF)]]
Hashes = Annotated[list[bytes], msgspec.Meta(max_length=64)]
Short = Annotated[str, msgspec.Meta(max_length=300)]
Names = Annotated[
    list[Annotated[str, msgspec.Meta(pattern=r"^(latest|snapshot|timestamp|log)\Z")]],
    msgspec.Meta(min_length=1, max_length=4),
]


class _Message(msgspec.Struct, forbid_unknown_fields=True, tag=True):
    """A message; its class name is its type."""


class Describe(_Message):
    """Asks for the public halves of the keys; answered by `Held`. `public` is as in `Publish`."""

    public: Short


class Publish(_Message):
    """Asks for a publication of `files` and `pointers`; answered by `Signed`, or by `Unknown`.

    `public` is `hash_online` of the public state, empty if there is none. `now` is the publisher's
    time. `pointers` are `custom` objects by target path. `logged` and `burned` are versions in the
    log: `logged` the newest ones of latest and its parts, `burned` all of the roles in `files`.
    """

    public: Short
    now: Annotated[datetime, msgspec.Meta(tz=True)]
    files: list[RoleVersion]
    pointers: dict[Short, Any]
    renew: bool
    logged: dict[Short, Version]
    burned: dict[Short, list[Version]]


class Adopt(_Message):
    """Sends the public state: roots, the current version of each role, timestamp."""

    files: list[RoleVersion]


class SignCheckpoint(_Message):
    """Asks for the signature of a checkpoint's text by the key `key`; answered by `Signature`.

    `size` is that of the largest signed tree; if it is not, the answer is `LogSize`. A larger tree
    is sent with its `leaves` after that size, any other with a consistency `proof`.
    """

    key: Short
    text: Annotated[bytes, msgspec.Meta(max_length=MAX_TEXT)]
    size: Version
    leaves: Entries
    proof: Hashes


class ContinueLog(_Message):
    """Sends a checkpoint that the log's key has signed already; answered by `LogSize`.

    It is meant for a record that is new, or older than the log; `leaves` are those after the first
    `size`.
    """

    note: Annotated[bytes, msgspec.Meta(max_length=MAX_NOTE)]
    size: Version
    leaves: Entries


class ReadLeaves(_Message):
    """Asks for the leaves that were signed from the index `first` on; answered by `Leaves`."""

    first: Version


class MakeNext(_Message):
    """Asks for next keys of `names`."""

    public: Short
    names: Names
    afresh: bool


class SwitchTo(_Message):
    """Asks that the next keys of `names` become the current ones."""

    public: Short
    names: Names


Request = (
    Describe | Publish | Adopt | SignCheckpoint | ContinueLog | ReadLeaves | MakeNext | SwitchTo
)


class Held(_Message):
    """The public halves, of the current key and perhaps the next: roles' in hex, and the log's.

    `size` is the number of leaves of the largest signed checkpoint. `is_known` says whether the
    record has the public state.
    """

    roles: dict[Short, Annotated[list[Short], msgspec.Meta(min_length=1, max_length=2)]]
    log: Annotated[list[Short], msgspec.Meta(min_length=1, max_length=2)]
    size: Version
    is_known: bool


class Signed(_Message):
    """The online role files of a publication, and its timestamp."""

    files: list[RoleVersion]
    timestamp: bytes
    snapshot: Version


class Signature(_Message):
    """A signature of 64 bytes."""

    signature: bytes


class Leaves(_Message):
    """Leaves of the log, at most `MAX_LEAVES`, and the root of the whole tree."""

    entries: Entries
    root: bytes


class LogSize(_Message):
    """The size of the largest signed checkpoint, if the request assumed another."""

    size: Version


class Unknown(_Message):
    """The key process lacks the public state: send `Adopt` first."""


class Done(_Message):
    """The request succeeded."""


class Unexpected(_Message):
    """A leaf of the checkpoint belongs to no publication of the key process; see `reason`."""

    reason: str


class Refused(_Message):
    """The request failed; `environment` if a disk failed, for example, and not the request."""

    reason: str
    environment: bool


Answer = Held | Signed | Signature | Leaves | LogSize | Unexpected | Unknown | Done | Refused
T = TypeVar("T")


def encode_frame(message: Request | Answer) -> bytes:
    """Return the frame of a message; raises FormatError for one over the limit."""
    body = msgspec.msgpack.encode(message)
    _check_length(len(body))
    return len(body).to_bytes(HEAD) + body


def decode_head(head: bytes) -> int:
    """Return how many bytes follow the first four; raises FormatError beyond the limit."""
    length = int.from_bytes(head)
    _check_length(length)
    return length


def decode_request(body: bytes) -> Request:
    """Read a request; raises FormatError for any other bytes."""
    return _decode(_REQUESTS.decode, body)


def decode_answer(body: bytes) -> Answer:
    """Read an answer; raises FormatError for any other bytes."""
    return _decode(_ANSWERS.decode, body)


_REQUESTS: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def _decode(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"a message between publisher and key process: {error}.") from error


def _check_length(length: int) -> None:
    if not 0 < length <= FRAME_LIMIT:
        raise FormatError(f"a message of {length} bytes is over the limit of {FRAME_LIMIT}.")
