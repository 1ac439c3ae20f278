"""A tree of requests, learned from the phone's real code: each answer's sha256 selects the next."""

import hashlib
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from client_sim.device.choose import Offer
from client_sim.device.pointer import Pointer, permille_at
from client_sim.device.trust import Trust
from client_sim.fleet.lines import Line
from client_sim.fleet.population import Group

if TYPE_CHECKING:
    from client_sim.device.release import Release


class ShareWindow:
    """The interval of a rollout's schedule in which `permille` of a thousand phones are admitted.

    It begins at `since` and ends before `until`, epoch seconds. `decided` has the offers in this
    interval, by build and by whether the phone is admitted; None means no offer. Phones whose
    clocks differ move the window back and forth.
    """

    __slots__ = ("_by_permille", "decided", "final", "permille", "pointer", "since", "until")

    def __init__(self, pointer: Pointer) -> None:
        self.pointer = pointer
        self.final = pointer.steps[-1].counter
        self._by_permille: dict[int, dict[tuple[int, bool], Offer | None]] = {}
        self.move(-math.inf)

    def move(self, now: float) -> None:
        """Move the window to the interval that contains `now`."""
        schedule = self.pointer.schedule
        self.since = max((start for start, _ in schedule if start <= now), default=-math.inf)
        self.until = min((start for start, _ in schedule if start > now), default=math.inf)
        self.permille = permille_at(schedule, now)
        self.decided = self._by_permille.setdefault(self.permille, {})


class TrustState:
    """The trust state that many phones share.

    `vault` is the phones' store, `trust` the metadata that the real code verified. `index` numbers
    the states of a worker. `polls` has the requests of a poll, by the role that holds the pointer.
    `installs` has the requests of an installation, by group, package and the stored version of the
    role. `windows` has the windows of the pointers that were read, by the group's index.
    """

    __slots__ = ("index", "installs", "polls", "trust", "vault", "windows")

    def __init__(self, index: int, vault: dict[str, bytes], trust: Trust | None) -> None:
        self.index = index
        self.vault = vault
        self.trust = trust
        self.polls: dict[str, Place] = {}
        self.installs: dict[tuple[str, str, int], Place] = {}
        self.windows: dict[int, ShareWindow | None] = {}

    def find_pointer(self, group: Group) -> Pointer | None:
        """Return the pointer of `group`; raises PointerError."""
        assert self.trust is not None
        return self.trust.find_pointer(group.codename, group.region, group.channel)


ABSENT: Final = b"404"
"""Used in place of the hash of a 404's body, which is not verified."""

_KNOWN_LIMIT: Final = 4_096  # cached hashes of raw bodies, for each node
_FIRST_RECEIVE: Final = 16_384  # bytes of the first receive call; nearly all answers are shorter
_MAX_RECEIVE: Final = 1 << 20
_ROLE_LIMIT: Final = 5_000_000  # the largest role, decoded
RECEIVE_MARGIN: Final = 256
"""Bytes by which the next answer may be longer than the last and still fit in one receive call."""

BODY_LIMIT: Final = _ROLE_LIMIT + 65_536
"""Maximum bytes of a body that is received whole; blocks of packages are not, and may be longer."""


@dataclass(slots=True)
class End:
    """The end of a path: the last answer was received.

    `state` is the phone's new state; None if the real code refused, and then `fault` says why.
    After an installation's requests, `release` is the signed release, in version `role` of the
    codename role.
    """

    state: "TrustState | None"
    fault: str = ""
    release: "Release | None" = None
    role: int = 0


@dataclass(slots=True)
class Edge:
    """An answer that the real code has processed, and the next place in the tree.

    `version` and `expires` (epoch seconds) are those of a timestamp, 0 for other answers.
    """

    status: int
    following: "Place"
    version: int = 0
    expires: float = 0.0


_NOWHERE: Final = Edge(0, End(None))


class Node:
    """The request `line`; the hash of the answer selects the next place.

    `data` are the bytes of the request. They have `count` answers: several for several requests in
    a packet, and 0 for any bytes until the server ends the connection. `note` counts a sender.

    `answers` has the edges by the hash of the decoded body. `by_raw_body` has them by whether the
    answer was compressed and the hash of its raw body. `last` are all bytes of the answers that
    were recognised last, heads included, and `last_edge` is their edge. `receive_size` is the
    number of bytes that one call receives.
    """

    __slots__ = (
        "answers",
        "by_raw_body",
        "count",
        "data",
        "last",
        "last_edge",
        "line",
        "note",
        "receive_size",
    )

    def __init__(self, line: Line, count: int = 1) -> None:
        self.line = line
        self.data = line.data
        self.note = line.note
        self.count = count
        self.answers: dict[bytes, Edge] = {}
        self.by_raw_body: dict[tuple[bool, bytes], Edge] = {}
        self.last = b""
        self.last_edge = _NOWHERE
        self.receive_size = _FIRST_RECEIVE * max(1, min(count, _MAX_RECEIVE // _FIRST_RECEIVE))

    def keep(self, data: bytes, edge: Edge) -> None:
        """Cache an answer by all its bytes, head included."""
        self.last, self.last_edge = data, edge
        self.receive_size = len(data) + RECEIVE_MARGIN

    def recognise(self, status: int, body: bytes, digest: bytes, *, is_gzip: bool) -> Edge | None:
        """Return the edge of an answer that differs from the last one; `digest` is its body's hash.

        Return None if the real code has not processed the decoded body.
        """
        known = self.by_raw_body.get((is_gzip, digest))
        if known is not None and known.status == status:
            return known
        if status == 404:
            key = ABSENT
        elif is_gzip:
            key = _hash_decoded(body)
        else:
            key = digest
        edge = self.answers.get(key)
        if edge is None or edge.status != status:
            return None
        if len(self.by_raw_body) < _KNOWN_LIMIT:
            self.by_raw_body[is_gzip, digest] = edge
        return edge


Place = Node | End


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request of the real code and the answer to it; other members as in `Edge`."""

    data: bytes
    status: int
    digest: bytes
    version: int = 0
    expires: float = 0.0


def add_path(
    place: Place | None,
    recorded: Sequence[RecordedRequest],
    end: End,
    find_line: Callable[[bytes], Line],
) -> Place:
    """Add the path `recorded` and its `end` to the tree at `place`, and return the tree."""
    if not recorded:
        return end
    first = recorded[0]
    if not isinstance(place, Node) or place.line.data != first.data:
        place = Node(find_line(first.data))
    edge = place.answers.get(first.digest)
    if edge is None:
        edge = Edge(first.status, end, first.version, first.expires)
        place.answers[first.digest] = edge
        before = None
    else:
        before = edge.following
    edge.following = add_path(before, recorded[1:], end, find_line)
    return place


def _hash_decoded(body: bytes) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        decoded = inflate.decompress(body, _ROLE_LIMIT + 1)
    except zlib.error:
        return b""
    if not inflate.eof or inflate.unused_data:
        return b""
    return hashlib.sha256(decoded).digest()
