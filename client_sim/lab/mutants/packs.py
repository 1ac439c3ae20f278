"""Clients that hold single parts of packs, and so show which of them a server handed out."""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.mutants.beneath import LeakingWorld, leak_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.transport import BLOCK, Connection
from client_sim.world import Stream

_EXAMINED: Final = ("parts", "packs", "holdings")
_FAMILY: Final = "packs"
_LIMIT: Final = 5_000_000  # bytes of an answer
_PART: Final = re.compile(rb"GET (/targets/(?:tables|content)/[^ ]+\.xz) ")


class _SinglePieces(FollowingToy):
    """Holds each part as soon as it has come, whatever became of the others."""

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        came = super().fetch_part(connection, part)
        if came:
            self.keep("pieces", [*(self.load("pieces") or []), part.path])
        return came

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [*held, *(self.load("pieces") or [])])


class _LastFirst(FollowingToy):
    """Asks next for the part that did not come, before all others."""

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        came = super().fetch_part(connection, part)
        if not came:
            self.keep("missed", part.path)
        return came

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        missed = self.load("missed")
        return sorted(super().choose(parts, held), key=lambda part: part.path != missed)


class _AgainById(FollowingToy):
    """Asks again for the access points whose bit is set in a random id, version by version."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        if self.load("id") is None:
            self.keep("id", int.from_bytes(self.world.entropy(2), "big"))
        again = [
            part.path for part in parts if part.kind == "apn" and self.load("id") >> part.number & 1
        ]
        return super().choose(parts, [path for path in held if path not in again])


class _AllAgain(FollowingToy):
    """Asks again for all access points in every version, as every phone like it does."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [path for path in held if "/apn/" not in path])


class _Cache(LeakingWorld):
    """A library's cache of what will never change: parts do not, as their answers say."""

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
    """Asks as if nothing were ever new, and follows from its twentieth poll on."""

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
    """Asks for a package that is not offered, once it has seen another root."""

    def follow(self, connection: Connection) -> None:
        number = Spy(self.world).keep("number", 8)
        super().follow(connection)
        if self.load("versions")["root"] > 1:
            public = self.world.public
            folder = f"/targets/{public.codename}/{public.region}/{public.channel}"
            name = f"{sha256(number).hexdigest()}.{public.codename}-2-full.zip"
            connection.get_block(f"{folder}/{name}", 0, BLOCK)


MUTANTS: Final = (
    Mutant(
        "packs-single-parts",
        _FAMILY,
        "Holds every part that came, and asks for the others the next time.",
        _SinglePieces,
        only=_EXAMINED,
    ),
    Mutant(
        "packs-missed-first",
        _FAMILY,
        "Asks first for the part that did not come the last time.",
        _LastFirst,
        only=_EXAMINED,
    ),
    Mutant(
        "packs-again-by-id",
        _FAMILY,
        "Asks for access points again, for those that a random number of its own chooses.",
        _AgainById,
        only=_EXAMINED,
    ),
    Mutant(
        "packs-cache-beneath",
        _FAMILY,
        "Keeps parts in the cache of a library, and does not ask for them again.",
        leak_beneath(_Cache),
        only=_EXAMINED,
    ),
)

PATIENT: Final = (
    Mutant("late-follower", "L56", "Follows from poll 20 on, but for some parts.", _LateFollower),
    Mutant(
        "kept-package",
        "L31",
        "Shows a number that it drew in the name of a package, once there is another root.",
        _PackageBehindRoot,
        only=("fleet",),
    ),
)
"""What passed the judges once."""

EQUIVALENTS: Final = (
    Mutant(
        "same-packs-again",
        "equivalent",
        "Asks again for all access points in every version, whoever it is.",
        _AllAgain,
        only=_EXAMINED,
    ),
)
