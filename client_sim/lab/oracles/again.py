"""Requests for data that the phone already holds, judged by the answers since its last reset.

By the request table a phone asks for a role only if its version is new, for parts of packs only if
the version of their role is new, and for the remaining blocks of a package. If all phones break
this rule in the same way, comparing them shows nothing.

A phone holds an answer that arrived whole and that it accepted. If it refuses an answer, it ends
the poll, or skips a role of public content and does not ask for its packs. The parts of a role
version are held if all of them arrived in one poll. A reset deletes everything. A new root deletes
all roles and new targets delete the delegated ones, because their keys may have changed. Three
things are not judged: roots, because a phone may follow their chain from the ROM's root each time;
a download that restarts at its first byte; and the choice of parts after a new version of a role.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from typing import Final

from client_sim.lab.oracles.answers import Answer, decode_answers
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import RESET
from client_sim.lab.trace.observation import Channel, Connection, Observation

_ASKED: Final = re.compile(
    rb"(?:\A|(?<=\n))GET (/[^ ?\r\n]*)[^ \r\n]* HTTP/1\.1\r\n"
    rb"(?:(?!GET /)[^\r\n]+\r\n)*?(?:Range: bytes=([0-9]{1,16})-|\r\n)"
)
_END: Final = b"\r\n\r\n"
_TIMESTAMP: Final = "/metadata/timestamp.json"
_ROLE: Final = re.compile(r"/metadata/([0-9]{1,16})\.([a-z0-9_-]+)\.json")
_PACK: Final = re.compile(r"/targets/(tables|content)/([a-z]+)/([0-9a-f]{64})\.[0-9]{2}\.xz")
_TARGET: Final = re.compile(r"(?:tables|content)/([a-z]+)/([0-9]{2}\.xz)")
_PUBLIC: Final = ("tables", "content")
_TOP: Final = ("snapshot", "targets")
# Seconds within which a phone accepts any answer (FORMATS section 9).
_GRACE: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Request:
    """A request: the place of its line, its path, and the first byte of a block.

    `role` and `version` are empty and 0 unless the path names a role.
    """

    offset: int
    length: int
    path: str
    role: str
    version: int
    first: int | None


@dataclass(frozen=True, slots=True)
class _Listing:
    """The paths of the parts that a version of a role lists.

    `kept` omits the parts of kinds with a withdrawn version: after a withdrawal a phone asks for
    all parts of the kind again.
    """

    version: int
    parts: frozenset[str]
    kept: frozenset[str]


_Asked = Sequence[tuple[_Request, Answer | None]]


def judge_again(observation: Observation) -> tuple[Finding, ...]:
    """Find requests for data that the phone already holds."""
    # Answers are read only if a request is repeated, which is rare.
    return tuple(_follow(observation)) if _has_repeats(observation) else ()


def _has_repeats(observation: Observation) -> bool:
    seen: set[tuple[str, int | None]] = set()
    for connection in observation.connections():
        for request in _read_requests(connection.data):
            if request.role == "root" or request.path == _TIMESTAMP:
                continue
            if (request.path, request.first) in seen:
                return True
            seen.add((request.path, request.first))
    return False


@lru_cache(maxsize=256)  # phones send the same
def _read_requests(data: bytes) -> tuple[_Request, ...]:
    return tuple(_read_request(data, match) for match in _ASKED.finditer(data))


def _read_request(data: bytes, match: re.Match[bytes]) -> _Request:
    path = match[1].decode("latin-1")
    role = _ROLE.fullmatch(path)
    return _Request(
        offset=match.start(),
        length=data.index(b"\r\n", match.start()) - match.start(),
        path=path,
        role=role[2] if role else "",
        version=int(role[1]) if role else 0,
        first=None if match[2] is None else int(match[2]),
    )


def _follow(observation: Observation) -> Iterator[Finding]:
    phone = _Phone()
    connections = observation.connections()
    ends = {departure.connection: departure.at for departure in observation.departures}
    for departure in observation.departures:
        if departure.channel is Channel.DUE and departure.phase.endswith(RESET):
            phone = _Phone()
        if departure.channel is not Channel.CONNECT:
            continue
        connection = connections[departure.connection]
        is_quick = ends[departure.connection] - departure.at < _GRACE
        received = observation.received[departure.connection]
        for request, held in phone.follow(connection, received, is_quick=is_quick):
            number = connection.data.count(_END, 0, request.offset) + 1
            yield Finding(
                f"connection {connection.index + 1}, {connection.phase}",
                f"the phone requests {held} again, which it already holds",
                connection.data,
                request.offset,
                request.length,
                channel=Channel.BYTES.value,
                field=f"request {number}, path",
            )


@dataclass(slots=True)
class _Phone:
    """The data that a phone holds, and the newest root that it asked for.

    `whole` is the last version of each role all of whose parts arrived, and `parts` lists these.
    `package` is the path of the package that is being fetched, and the number of bytes held.
    """

    root: int = 0
    roles: dict[str, int] = field(default_factory=dict)
    listings: dict[str, _Listing] = field(default_factory=dict)
    parts: dict[str, frozenset[str]] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)
    package: tuple[str, int] = ("", 0)

    def follow(
        self, connection: Connection, received: bytes, *, is_quick: bool
    ) -> Iterator[tuple[_Request, str]]:
        """Process the requests of a connection; yield each needless one with what was held.

        `is_quick` is true if no answer took so long that the phone may have refused it.
        """
        requests = _read_requests(connection.data)
        answers: Sequence[Answer | None] = decode_answers(received)[: len(requests)]
        asked = tuple(zip_longest(requests, answers))
        for place, request in enumerate(requests):
            held: str | None = None
            if request.role == "root":
                self._ask_root(request.version)
            elif request.role:
                held = self._ask_role(request.role, request.version, asked[place:])
            elif pack := _PACK.fullmatch(request.path):
                held = self._ask_part(request.path, pack[1], pack[2])
            elif request.first is not None:
                held = self._ask_block(request.path, request.first)
            if held is not None:
                yield request, held
        for role in _PUBLIC:
            self._take_parts(role, asked, is_quick=is_quick)

    def _ask_root(self, version: int) -> None:
        # A phone that asks for the next root has accepted this one, even if the poll then ended.
        if version > self.root:
            self.root = version
            self.roles.clear()

    def _ask_role(self, name: str, version: int, rest: _Asked) -> str | None:
        (_, answer), *later = rest
        is_held = self.roles.pop(name, None) == version
        if answer is not None and _is_whole(answer):
            if name in _PUBLIC:
                self.listings[name] = _read_listing(name, version, answer)
            if name == "targets" and not is_held:
                self.roles = {top: self.roles[top] for top in _TOP if top in self.roles}
            if _is_accepted(name, later):
                self.roles[name] = version
        return f"version {version} of {name}" if is_held else None

    def _ask_part(self, path: str, role: str, kind: str) -> str | None:
        listing = self.listings.get(role)
        is_whole = listing is not None and self.whole.get(role) == listing.version
        return f"a part of {kind}" if is_whole and path in self.parts[role] else None

    def _take_parts(self, role: str, asked: _Asked, *, is_quick: bool) -> None:
        """Count the parts of a role as held if all of them arrived, else none of them."""
        came = {
            request.path: _is_part(found[3], answer) and (is_quick or place + 1 < len(asked))
            for place, (request, answer) in enumerate(asked)
            if (found := _PACK.fullmatch(request.path)) and found[1] == role
        }
        listing = self.listings.get(role)
        if listing is None or not came or not all(came.values()):
            return
        if listing.parts <= came.keys() | (self.parts.get(role, frozenset()) & listing.kept):
            self.parts[role], self.whole[role] = listing.parts, listing.version

    def _ask_block(self, path: str, first: int) -> str | None:
        before, held = self.package
        if path == before and 0 < first < held:
            return f"the block at byte {first}"
        # A phone that asks for a block holds the blocks before it. Another package replaces them.
        self.package = path, first
        return None


def _is_whole(answer: Answer | None) -> bool:
    return answer is not None and answer.status == 200


def _is_part(sha256: str, answer: Answer | None) -> bool:
    return (
        answer is not None
        and _is_whole(answer)
        and hashlib.sha256(answer.body).hexdigest() == sha256
    )


def _is_accepted(name: str, later: _Asked) -> bool:
    """Return whether the requests after a role show that the phone accepted it."""
    if name in _TOP:
        return bool(later)
    if len(later) < 2 or not later[0][0].path.startswith("/log/proof/"):
        return False
    if not _is_whole(later[0][1]):
        return False
    behind = [request for request, _ in later[1:]]
    if name.startswith("latest"):
        return True
    if name in _PUBLIC:
        return any(request.path.startswith(f"/targets/{name}/") for request in behind)
    return any(request.first is not None for request in behind)


def _read_listing(role: str, version: int, answer: Answer) -> _Listing:
    paths = {
        f"/targets/{role}/{found[1]}/{sha256}.{found[2]}": found[1]
        for target, sha256 in answer.hashes().items()
        if (found := _TARGET.fullmatch(target))
    }
    custom = answer.signed().get("custom")
    packs = custom.get("packs") if isinstance(custom, dict) else None
    told = packs.items() if isinstance(packs, dict) else ()
    sound = {kind for kind, pack in told if isinstance(pack, dict) and not pack.get("withdrawn")}
    kept = frozenset(path for path, kind in paths.items() if kind in sound)
    return _Listing(version, frozenset(paths), kept)
