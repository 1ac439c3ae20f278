"""Clean clients that fetch published files; they verify nothing.

`FollowingToy` follows public content and fetches packs. It sends its requests in the order of
docs/PRIVACY.md, over the phone's own transport. `DownloadingToy` fetches a package after its polls,
in the blocks of FORMATS section 9.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from client_sim.device.errors import DeviceError
from client_sim.lab.clients.toy import ToyClient
from client_sim.transport import Connection
from client_sim.world import Event, Stream, World

_LIMIT: Final = 5_000_000
_ROLES: Final = ("targets", "latest", "tables", "content")
_PUBLIC: Final = ("tables", "content")
_UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
BLOCK: Final = 8 * 1024 * 1024
"""Bytes of a block."""
DIGEST: Final = "6a2c5f0d" * 8
LENGTH: Final = 20_000_000
"""The length of the only package, in bytes: three blocks, the last one short."""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A part of a pack as its role lists it; parts are ordered as phones request them.

    `state` is the description of its pack: `title`, `start`, `rollout`, `withdrawn` and more.
    """

    kind: str
    number: int
    path: str
    state: dict[str, Any]

    @property
    def is_withdrawn(self) -> bool:
        """Whether its pack's version is withdrawn."""
        return self.state["version"] in self.state["withdrawn"]


class FollowingToy:
    """Polls, and requests new metadata and all parts of packs that it does not hold.

    `state["versions"]` has the versions of the roles that it holds, `state["held ROLE"]` the paths
    of the parts, and `state["packs ROLE"]` the last seen version of each pack.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def poll(self) -> str:
        """Poll once; any failure ends only this poll."""
        try:
            with Connection(self.world) as connection:
                self.follow(connection)
        except (DeviceError, *_UNREADABLE) as error:
            return f"another time: {type(error).__name__}"
        return "nothing new"

    def on_event(self, event: Event) -> None:
        """Ignore the event."""

    def next_poll(self, now: float) -> float:
        """Draw the next due time by FORMATS section 9, and return it until it has passed."""
        due = float(self.load("due") or 0)
        if not now < due <= now + 28_800:
            due = now + 14_400 + int.from_bytes(self.world.entropy(8), "big") % 14_401
            self.store("due", due)
        return due

    def follow(self, connection: Connection) -> None:
        """Request metadata, then packs."""
        versions = self.load("versions") or {"root": 1}
        while connection.get_or_none(f"/metadata/{versions['root'] + 1}.root.json", limit=_LIMIT):
            versions["root"] += 1
            self.store("versions", versions)
        timestamp = self._fetch(connection, "/metadata/timestamp.json")
        newest = _version(timestamp["meta"]["snapshot.json"])
        if newest > versions.get("snapshot", 0):
            snapshot = self._fetch(connection, f"/metadata/{newest}.snapshot.json")
            self.store("snapshot", snapshot["meta"])
            self.store("versions", versions | {"snapshot": newest})
        for role in _ROLES:
            self._follow_role(connection, role)
        for role in _PUBLIC:
            self._follow_packs(connection, role)

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        """Return the parts of a role to request now, in order."""
        return [part for part in parts if not part.is_withdrawn and part.path not in stored]

    def fetch_parts(self, connection: Connection, chosen: Sequence[Part]) -> bool:
        """Request parts until one is missing; return whether all were received."""
        return all(self.fetch_part(connection, part) for part in chosen)

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        """Request a part; return whether it was received."""
        return connection.get_or_none(part.path, limit=_LIMIT) is not None

    def list_stored(self, parts: Sequence[Part]) -> list[str]:
        """Return the paths that count as held after all parts of a role's version were received."""
        return [part.path for part in parts if not part.is_withdrawn]

    def drop_withdrawn(self, role: str, packs: dict[str, Any]) -> list[str]:
        """Forget the parts of packs that were withdrawn, and return the paths still held."""
        versions = self.load(f"packs {role}") or {}
        withdrawn = {
            kind for kind, pack in packs.items() if versions.get(kind) in pack["withdrawn"]
        }
        stored = [
            path for path in self.load(f"held {role}") or [] if path.split("/")[3] not in withdrawn
        ]
        self.store(f"held {role}", stored)
        self.store(f"packs {role}", {kind: pack["version"] for kind, pack in packs.items()})
        return stored

    def load(self, name: str) -> Any:  # noqa: ANN401  # any JSON
        """Load a value from the state, or None."""
        return json.loads(self.world.state.get(name, b"null"))

    def store(self, name: str, value: object) -> None:
        """Store a value in the state."""
        self.world.state[name] = json.dumps(value).encode()

    def _fetch(self, connection: Connection, path: str) -> dict[str, Any]:
        signed: dict[str, Any] = json.loads(connection.get(path, limit=_LIMIT))["signed"]
        return signed

    def _follow_role(self, connection: Connection, role: str) -> None:
        versions, named = self.load("versions"), self.load("snapshot") or {}
        version = _version(named.get(f"{role}.json", {"version": 0}))
        if version <= versions.get(role, 0):
            return
        signed = self._fetch(connection, f"/metadata/{version}.{role}.json")
        if role != "targets":
            connection.get(f"/log/proof/{role}.{version}", limit=_LIMIT)
        if role in _PUBLIC:
            self.store(f"listed {role}", [signed["targets"], signed["custom"]["packs"]])
        self.store("versions", versions | {role: version})

    def _follow_packs(self, connection: Connection, role: str) -> None:
        version = self.load("versions").get(role, 0)
        if self.load(f"whole {role}") == version:
            return
        targets, packs = self.load(f"listed {role}") or ({}, {})
        parts = sorted(_list_parts(role, targets, packs))
        stored = self.drop_withdrawn(role, packs)
        if self.fetch_parts(connection, self.choose(parts, stored)):
            self.store(f"held {role}", self.list_stored(parts))
            self.store(f"whole {role}", version)


def _version(named: dict[str, Any]) -> int:
    version = named["version"]
    if type(version) is not int or version < 0:
        raise ValueError("a version must be a number")
    return version


def _list_parts(role: str, targets: dict[str, Any], packs: dict[str, Any]) -> list[Part]:
    return [
        Part(
            kind,
            int(name[:2]),
            f"/targets/{role}/{kind}/{target_file['hashes']['sha256']}.{name}",
            pack,
        )
        for target, target_file in targets.items()
        for kind, name in (target.split("/")[1:],)
        for pack in (packs[kind],)
        if name.endswith(".xz")
    ]


class DownloadingToy(ToyClient):
    """Requests the blocks that it does not hold after each poll, until one is not received.

    `state["block"]` is the number of complete blocks that it holds.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.status = ""
        self.received = 0

    def poll(self) -> str:
        """Poll, then fetch the missing blocks over another connection."""
        outcome = super().poll()
        return outcome if self.is_complete else self.fetch()

    @property
    def stored(self) -> int:
        """The number of complete blocks."""
        return int(self.world.state.get("block", b"0"))

    @property
    def is_complete(self) -> bool:
        """Whether all blocks are complete."""
        return self.stored * BLOCK >= LENGTH

    def fetch(self) -> str:
        """Request the missing blocks in order; a truncated block is requested again later."""
        try:
            stream = self.open()
            try:
                for first, last in self.plan():
                    self.ask_block(stream, first, last)
                    if self.received != last + 1 - first:
                        return "a block did not arrive"
                    self.world.state["block"] = b"%d" % (self.stored + 1)
            finally:
                self.disconnect(stream)
        except OSError as error:
            self.failed(error)
            return f"the server was not reached: {error}"
        return "fetched"

    def plan(self) -> Sequence[tuple[int, int]]:
        """Return the blocks to request as first and last byte, both inclusive."""
        firsts = range(self.stored * BLOCK, LENGTH, BLOCK)
        return tuple((first, min(first + BLOCK, LENGTH) - 1) for first in firsts)

    def ask_block(self, stream: Stream, first: int, last: int) -> None:
        """Request one block and count the received bytes."""
        self.transmit(stream, self.block_request(first, last))
        self.received = 0
        self.status, body = self.receive(stream)
        self.received = len(body) if self.status.startswith("HTTP/1.1 206") else 0

    def block_request(self, first: int, last: int) -> bytes:
        """Write the request for a block."""
        lines = (f"GET {self.package_path()} HTTP/1.1", *self.block_lines(first, last), "", "")
        return "\r\n".join(lines).encode()

    def block_lines(self, first: int, last: int) -> Sequence[str]:
        """Write the header lines of the request for a block."""
        return (self.headers()[0], f"Range: bytes={first}-{last}")

    def package_path(self) -> str:
        """Return the path of the package."""
        public = self.world.public
        return f"/targets/{public.codename}/{public.region}/{public.channel}/{DIGEST}.{self.name()}"

    def name(self) -> str:
        """Return the file name of a full package, which fits every build."""
        return f"{self.world.public.codename}-2-full.zip"
