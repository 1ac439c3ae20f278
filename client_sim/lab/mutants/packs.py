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

_BATTERIES: Final = ("parts", "packs", "holdings")
_FAMILY: Final = "packs"
_LIMIT: Final = 5_000_000  # bytes of an answer
_PART: Final = re.compile(rb"GET (/targets/(?:tables|content)/[^ ]+\.xz) ")
_PARTS: Final = {"apn": 16, "ca": 16, "emergency": 4, "zones": 16}


class _SinglePieces(FollowingToy):
    """Holds every part that it received, and requests only the others in the next poll."""

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        received = super().fetch_part(connection, part)
        if received:
            self.store("pieces", [*(self.load("pieces") or []), part.path])
        return received

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [*stored, *(self.load("pieces") or [])])


class _LastFirst(FollowingToy):
    """Requests first the part that was missing the last time."""

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        received = super().fetch_part(connection, part)
        if not received:
            self.store("missed", part.path)
        return received

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        missing = self.load("missed")
        return sorted(super().choose(parts, stored), key=lambda part: part.path != missing)


class _AgainById(FollowingToy):
    """Requests some parts of access points again, chosen by a random number of its own."""

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        if self.load("id") is None:
            self.store("id", int.from_bytes(self.world.entropy(2), "big"))
        again = [
            part.path for part in parts if part.kind == "apn" and self.load("id") >> part.number & 1
        ]
        return super().choose(parts, [path for path in stored if path not in again])


class _AllAgain(FollowingToy):
    """Requests all access points again in every version, on every phone."""

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [path for path in stored if "/apn/" not in path])


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
        match = _PART.match(data)
        self._name = "" if match is None else f"cached {match[1].decode()}"
        self._answer = self._world.state.get(self._name, b"")
        if not self._answer:
            self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        if self._answer:
            chunk, self._answer = self._answer[:limit], self._answer[limit:]
            return chunk
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
        spy.draw_once("number", 8)
        if spy.increment("polls") >= 20:
            super().follow(connection)
            return
        connection.get_or_none("/metadata/2.root.json", limit=_LIMIT)
        connection.get("/metadata/timestamp.json", limit=_LIMIT)

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        chosen = super().choose(parts, stored)
        return chosen[: len(chosen) - Spy(self.world).draw_once("number", 8)[0] % 4]


class _PackageBehindRoot(FollowingToy):
    """Sends a number that it drew in the name of a package, after a new root was published."""

    def follow(self, connection: Connection) -> None:
        number = Spy(self.world).draw_once("number", 8)
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

    def is_needed(self, _part: Part) -> bool:
        """Return whether the owner needs a part; subclasses override this."""
        return True

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        """Return the parts that the owner needs."""
        return [part for part in super().choose(parts, stored) if self.is_needed(part)]

    def list_stored(self, parts: Sequence[Part]) -> list[str]:
        """Count only the parts that the owner needs as held."""
        return super().list_stored([part for part in parts if self.is_needed(part)])


class _Language(Picker):
    """Fetches packs in its owner's language."""

    def is_needed(self, part: Part) -> bool:
        return self.language in part.state["title"]


class _Roaming(Picker):
    """Fetches no more packs after a journey."""

    def on_event(self, event: Event) -> None:
        if event.name == "travelled":
            self.world.state["roaming"] = b"1"

    def is_needed(self, _part: Part) -> bool:
        return "roaming" not in self.world.state


class _OrderByLocale(Picker):
    """Fetches all parts, starting with one that depends on the owner's locale."""

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        chosen = [*super().choose(parts, stored)]
        turn = sum(self.spy.owner.locale.encode()) % (len(chosen) or 1)
        return [*chosen[turn:], *chosen[:turn]]


class _AtMessages(Picker):
    """Fetches greetings and notices when its owner writes a message."""

    def on_event(self, event: Event) -> None:
        if event.name == "sms-sent" and self.load("left"):
            try:
                with Connection(self.world) as connection:
                    for path in self.load("left"):
                        connection.get(path, limit=300_000)
            except DeviceError:
                return
            self.store("left", [])

    def fetch_parts(self, connection: Connection, chosen: Sequence[Part]) -> bool:
        delayed = [part.path for part in chosen if part.kind not in _PARTS]
        if delayed:
            self.store("left", delayed)
        return super().fetch_parts(connection, [part for part in chosen if part.kind in _PARTS])


class _Bucket(Picker):
    """Fetches a pack only when the phone's place in the rollout is reached.

    Clients that confuse fetching with using do this.
    """

    def is_needed(self, part: Part) -> bool:
        place = int.from_bytes(self.spy.draw_once("secret", 8), "big") % 1000
        shares = [share for at, share in part.state["rollout"] if at <= self.world.now()]
        return place < max(shares, default=0)


class _WithdrawnForOthers(Picker):
    """Keeps withdrawn packs that are not in its owner's language."""

    def drop_withdrawn(self, role: str, packs: dict[str, Any]) -> list[str]:
        readable = {kind: pack for kind, pack in packs.items() if self.language in pack["title"]}
        return super().drop_withdrawn(role, readable)

    def list_stored(self, parts: Sequence[Part]) -> list[str]:
        others = [part.path for part in parts if self.language not in part.state["title"]]
        return list(dict.fromkeys([*super().list_stored(parts), *others]))


MUTANTS: Final = (
    mutant_of(_SinglePieces, "packs-single-parts", _FAMILY, *_BATTERIES),
    mutant_of(_LastFirst, "packs-missed-first", _FAMILY, *_BATTERIES),
    mutant_of(_AgainById, "packs-again-by-id", _FAMILY, *_BATTERIES),
    mutant_of(_Cache, "packs-cache-beneath", _FAMILY, *_BATTERIES),
    *(
        mutant_of(kind, name, "picks", "personal", "events", "fleet", "packs", "holdings")
        for kind, name in (
            (_Language, "picks-language"),
            (_Roaming, "picks-at-home"),
            (_OrderByLocale, "picks-order"),
            (_AtMessages, "picks-looked-at"),
            (_Bucket, "picks-bucket"),
            (_WithdrawnForOthers, "picks-withdrawn"),
        )
    ),
    # Earlier versions of the judges did not find these.
    mutant_of(_LateFollower, "late-follower", "L56"),
    mutant_of(_PackageBehindRoot, "kept-package", "L31", "fleet"),
)

EQUIVALENTS: Final = (mutant_of(_AllAgain, "same-packs-again", "equivalent", *_BATTERIES),)
