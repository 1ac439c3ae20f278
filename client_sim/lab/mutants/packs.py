"""Clients whose requests for packs reveal what their owner needs, or which parts a server sent.

Some hold single parts; some request only, or first, what their owner needs.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from client_sim.device.errors import DeviceError
from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.mutants.mutant import LeakingWorld, mutant_of
from client_sim.lab.mutants.spy import Spy
from client_sim.transport import BLOCK, Connection
from client_sim.world import Event, Stream, World

_EXAMINED: Final = ("parts", "packs", "holdings")
_FAMILY: Final = "packs"
_LIMIT: Final = 5_000_000  # bytes of an answer
_PART: Final = re.compile(rb"GET (/targets/(?:tables|content)/[^ ]+\.xz) ")
_PARTS: Final = {"apn": 16, "ca": 16, "emergency": 4, "zones": 16}


class _SinglePieces(FollowingToy):
    """Holds every part that it received, and requests only the others in the next poll."""

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        came = super().fetch_part(connection, part)
        if came:
            self.keep("pieces", [*(self.load("pieces") or []), part.path])
        return came

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [*held, *(self.load("pieces") or [])])


class _LastFirst(FollowingToy):
    """Requests first the part that was missing the last time."""

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        came = super().fetch_part(connection, part)
        if not came:
            self.keep("missed", part.path)
        return came

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        missed = self.load("missed")
        return sorted(super().choose(parts, held), key=lambda part: part.path != missed)


class _AgainById(FollowingToy):
    """Requests some parts of access points again, chosen by a random number of its own."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        if self.load("id") is None:
            self.keep("id", int.from_bytes(self.world.entropy(2), "big"))
        again = [
            part.path for part in parts if part.kind == "apn" and self.load("id") >> part.number & 1
        ]
        return super().choose(parts, [path for path in held if path not in again])


class _AllAgain(FollowingToy):
    """Requests all access points again in every version, on every phone."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [path for path in held if "/apn/" not in path])


class _Cache(LeakingWorld):
    """Keeps parts in the cache of a library, and does not request them again.

    Their answers say that parts never change.
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
        # Only an answer that arrives in one piece is cached.
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
    """Follows from poll 20 on, except for some parts chosen by a number of its own."""

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
    """Sends a number that it drew in the name of a package, after a new root was published."""

    def follow(self, connection: Connection) -> None:
        number = Spy(self.world).keep("number", 8)
        super().follow(connection)
        if self.load("versions")["root"] > 1:
            public = self.world.public
            folder = f"/targets/{public.codename}/{public.region}/{public.channel}"
            name = f"{sha256(number).hexdigest()}.{public.codename}-2-full.zip"
            connection.get_block(f"{folder}/{name}", 0, BLOCK)


class Picker(FollowingToy):
    """The clean client that fetches packs, with access to its owner's data."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.spy = Spy(world)

    @property
    def language(self) -> str:
        """The owner's language."""
        return self.spy.owner.locale.partition("-")[0]

    def is_wanted(self, _part: Part) -> bool:
        """Return whether the owner needs a part; subclasses override this."""
        return True

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        """Return the parts that the owner needs."""
        return [part for part in super().choose(parts, held) if self.is_wanted(part)]

    def count_held(self, parts: Sequence[Part]) -> list[str]:
        """Count only the parts that the owner needs as held."""
        return super().count_held([part for part in parts if self.is_wanted(part)])


class _Language(Picker):
    """Fetches packs in its owner's language."""

    def is_wanted(self, part: Part) -> bool:
        return self.language in part.state["title"]


class _Roaming(Picker):
    """Fetches no more packs after a journey."""

    def on_event(self, event: Event) -> None:
        if event.name == "travelled":
            self.world.state["roaming"] = b"1"

    def is_wanted(self, _part: Part) -> bool:
        return "roaming" not in self.world.state


class _OrderByLocale(Picker):
    """Fetches all parts, starting with one that depends on the owner's locale."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        chosen = [*super().choose(parts, held)]
        turn = sum(self.spy.owner.locale.encode()) % (len(chosen) or 1)
        return [*chosen[turn:], *chosen[:turn]]


class _Looked(Picker):
    """Fetches greetings and notices when its owner writes a message."""

    def on_event(self, event: Event) -> None:
        if event.name == "sms-sent" and self.load("left"):
            try:
                with Connection(self.world) as connection:
                    for path in self.load("left"):
                        connection.get(path, limit=300_000)
            except DeviceError:
                return
            self.keep("left", [])

    def fetch_parts(self, connection: Connection, chosen: Sequence[Part]) -> bool:
        later = [part.path for part in chosen if part.kind not in _PARTS]
        if later:
            self.keep("left", later)
        return super().fetch_parts(connection, [part for part in chosen if part.kind in _PARTS])


class _Bucket(Picker):
    """Fetches a pack only when the phone's place in the rollout is reached.

    Clients that confuse fetching with using do this.
    """

    def is_wanted(self, part: Part) -> bool:
        place = int.from_bytes(self.spy.keep("secret", 8), "big") % 1000
        shares = [share for at, share in part.state["rollout"] if at <= self.world.now()]
        return place < max(shares, default=0)


class _WithdrawnForOthers(Picker):
    """Keeps withdrawn packs that are not in its owner's language."""

    def let_go(self, role: str, packs: dict[str, Any]) -> list[str]:
        read = {kind: pack for kind, pack in packs.items() if self.language in pack["title"]}
        return super().let_go(role, read)

    def count_held(self, parts: Sequence[Part]) -> list[str]:
        kept = [part.path for part in parts if self.language not in part.state["title"]]
        return list(dict.fromkeys([*super().count_held(parts), *kept]))


MUTANTS: Final = (
    mutant_of(_SinglePieces, "packs-single-parts", _FAMILY, *_EXAMINED),
    mutant_of(_LastFirst, "packs-missed-first", _FAMILY, *_EXAMINED),
    mutant_of(_AgainById, "packs-again-by-id", _FAMILY, *_EXAMINED),
    mutant_of(_Cache, "packs-cache-beneath", _FAMILY, *_EXAMINED),
    *(
        mutant_of(kind, name, "picks", "personal", "events", "fleet", "packs", "holdings")
        for kind, name in (
            (_Language, "picks-language"),
            (_Roaming, "picks-at-home"),
            (_OrderByLocale, "picks-order"),
            (_Looked, "picks-looked-at"),
            (_Bucket, "picks-bucket"),
            (_WithdrawnForOthers, "picks-withdrawn"),
        )
    ),
    # Earlier versions of the judges did not find these.
    mutant_of(_LateFollower, "late-follower", "L56"),
    mutant_of(_PackageBehindRoot, "kept-package", "L31", "fleet"),
)

EQUIVALENTS: Final = (mutant_of(_AllAgain, "same-packs-again", "equivalent", *_EXAMINED),)
