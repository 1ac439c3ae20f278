"""Clients that hold single parts of packs, and so show which of them a server handed out."""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.mutants.mutant import LeakingWorld, mutant_of
from client_sim.lab.mutants.spy import Spy
from client_sim.transport import BLOCK, Connection
from client_sim.world import Stream

_EXAMINED: Final = ("parts", "packs", "holdings")
_FAMILY: Final = "packs"
_LIMIT: Final = 5_000_000  # bytes of an answer
_PART: Final = re.compile(rb"GET (/targets/(?:tables|content)/[^ ]+\.xz) ")


class _SinglePieces(FollowingToy):
    """Holds every part that came, and asks for the others the next time."""

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        came = super().fetch_part(connection, part)
        if came:
            self.keep("pieces", [*(self.load("pieces") or []), part.path])
        return came

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [*held, *(self.load("pieces") or [])])


class _LastFirst(FollowingToy):
    """Asks first for the part that did not come the last time."""

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        came = super().fetch_part(connection, part)
        if not came:
            self.keep("missed", part.path)
        return came

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        missed = self.load("missed")
        return sorted(super().choose(parts, held), key=lambda part: part.path != missed)


class _AgainById(FollowingToy):
    """Asks for access points again, for those that a random number of its own chooses."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        if self.load("id") is None:
            self.keep("id", int.from_bytes(self.world.entropy(2), "big"))
        again = [
            part.path for part in parts if part.kind == "apn" and self.load("id") >> part.number & 1
        ]
        return super().choose(parts, [path for path in held if path not in again])


class _AllAgain(FollowingToy):
    """Asks again for all access points in every version, whoever it is."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [path for path in held if "/apn/" not in path])


class _Cache(LeakingWorld):
    """Keeps parts in the cache of a library, and does not ask for them again.

    Parts never change, as their answers say.
    """

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        return _CachingStream(self, super().connect(address, port, tls))


class _CachingStream:
    def __init__(self, world: _Cache, inner: Stream) -> None:
        self._world = world
        self._inner = inner
        self._name = ""
        self._answer = b""

    def send(self, data: bytes) -> None:
        asked = _PART.match(data)
        self._name = "" if asked is None else f"cached {asked[1].decode()}"
        self._answer = self._world.state.get(self._name, b"")
        if not self._answer:
            self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        if self._answer:
            taken, self._answer = self._answer[:limit], self._answer[limit:]
            return taken
        data = self._inner.recv(limit)
        # Only a small answer that comes in one piece is kept.
        if self._name and data.startswith(b"HTTP/1.1 200 ") and _is_whole(data):
            self._world.state[self._name] = data
        return data

    def close(self) -> None:
        self._inner.close()


def _is_whole(data: bytes) -> bool:
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: ([0-9]+)", head)
    return length is not None and int(length[1]) == len(body)


class _LateFollower(FollowingToy):
    """Follows from poll 20 on, but for some parts."""

    def follow(self, connection: Connection) -> None:
        spy = Spy(self.world)
        spy.keep("number", 8)
        if spy.count("polls") >= 20:
            super().follow(connection)
            return
        connection.get_if_there("/metadata/2.root.json", limit=_LIMIT)
        connection.get("/metadata/timestamp.json", limit=_LIMIT)

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        chosen = super().choose(parts, held)
        return chosen[: len(chosen) - Spy(self.world).keep("number", 8)[0] % 4]


class _PackageBehindRoot(FollowingToy):
    """Shows a number that it drew in the name of a package, once there is another root."""

    def follow(self, connection: Connection) -> None:
        number = Spy(self.world).keep("number", 8)
        super().follow(connection)
        if self.load("versions")["root"] > 1:
            public = self.world.public
            folder = f"/targets/{public.codename}/{public.region}/{public.channel}"
            name = f"{sha256(number).hexdigest()}.{public.codename}-2-full.zip"
            connection.get_block(f"{folder}/{name}", 0, BLOCK)


MUTANTS: Final = (
    mutant_of(_SinglePieces, "packs-single-parts", _FAMILY, *_EXAMINED),
    mutant_of(_LastFirst, "packs-missed-first", _FAMILY, *_EXAMINED),
    mutant_of(_AgainById, "packs-again-by-id", _FAMILY, *_EXAMINED),
    mutant_of(_Cache, "packs-cache-beneath", _FAMILY, *_EXAMINED),
    # What passed the judges once.
    mutant_of(_LateFollower, "late-follower", "L56"),
    mutant_of(_PackageBehindRoot, "kept-package", "L31", "fleet"),
)

EQUIVALENTS: Final = (mutant_of(_AllAgain, "same-packs-again", "equivalent", *_EXAMINED),)
