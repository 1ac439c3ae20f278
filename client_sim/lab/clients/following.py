"""A clean client that follows what is published and fetches packs; it verifies nothing.

It asks in the order of docs/PRIVACY.md, over the phone's own way of asking.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from client_sim.device.errors import DeviceError
from client_sim.transport import Connection
from client_sim.world import Event, World

_LIMIT: Final = 5_000_000
_ROLES: Final = ("targets", "latest", "tables", "content")
_PUBLIC: Final = ("tables", "content")
_UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A part of a pack as its role lists it; parts ascend as phones ask for them.

    `state` is what its pack says of itself: `title`, `start`, `rollout`, `withdrawn` and more.
    """

    kind: str
    number: int
    path: str
    state: dict[str, Any]

    @property
    def is_withdrawn(self) -> bool:
        """Whether its pack is."""
        return self.state["version"] in self.state["withdrawn"]


class FollowingToy:
    """Polls, asks for what is new, and for all parts of packs that it does not count as held.

    `state["versions"]` are those of roles that it holds, `state["held ROLE"]` the paths of parts,
    `state["packs ROLE"]` the version of each pack that it saw last.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def poll(self) -> str:
        """Ask once; whatever fails ends the poll and nothing else."""
        try:
            with Connection(self.world) as connection:
                self.follow(connection)
        except (DeviceError, *_UNREADABLE) as error:
            return f"another time: {type(error).__name__}"
        return "nothing new"

    def on_event(self, event: Event) -> None:
        """Take no notice."""

    def next_poll(self, now: float) -> float:
        """Draw the next due time as FORMATS section 9 says, and give it until it has passed."""
        due = float(self.load("due") or 0)
        if not now < due <= now + 28_800:
            due = now + 14_400 + int.from_bytes(self.world.entropy(8), "big") % 14_401
            self.keep("due", due)
        return due

    def follow(self, connection: Connection) -> None:
        """Ask for metadata, then for packs."""
        versions = self.load("versions") or {"root": 1}
        while connection.get_if_there(f"/metadata/{versions['root'] + 1}.root.json", limit=_LIMIT):
            versions["root"] += 1
            self.keep("versions", versions)
        timestamp = self._fetch(connection, "/metadata/timestamp.json")
        newest = _version(timestamp["meta"]["snapshot.json"])
        if newest > versions.get("snapshot", 0):
            snapshot = self._fetch(connection, f"/metadata/{newest}.snapshot.json")
            self.keep("snapshot", snapshot["meta"])
            self.keep("versions", versions | {"snapshot": newest})
        for role in _ROLES:
            self._follow_role(connection, role)
        for role in _PUBLIC:
            self._follow_packs(connection, role)

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        """Choose which parts of a role to ask for now, and in which order."""
        return [part for part in parts if not part.is_withdrawn and part.path not in held]

    def fetch_parts(self, connection: Connection, chosen: Sequence[Part]) -> bool:
        """Ask for parts until one does not come; return whether all came."""
        return all(self.fetch_part(connection, part) for part in chosen)

    def fetch_part(self, connection: Connection, part: Part) -> bool:
        """Ask for a part; return whether it came."""
        return connection.get_if_there(part.path, limit=_LIMIT) is not None

    def count_held(self, parts: Sequence[Part]) -> list[str]:
        """Return the paths that count as held after a version of a role that came whole."""
        return [part.path for part in parts if not part.is_withdrawn]

    def let_go(self, role: str, packs: dict[str, Any]) -> list[str]:
        """Count what was withdrawn since as held no more, and return the paths of the rest."""
        known = self.load(f"packs {role}") or {}
        gone = {kind for kind, pack in packs.items() if known.get(kind) in pack["withdrawn"]}
        held = [path for path in self.load(f"held {role}") or [] if path.split("/")[3] not in gone]
        self.keep(f"held {role}", held)
        self.keep(f"packs {role}", {kind: pack["version"] for kind, pack in packs.items()})
        return held

    def load(self, name: str) -> Any:  # noqa: ANN401  # any JSON
        """Load what was kept, or None."""
        return json.loads(self.world.state.get(name, b"null"))

    def keep(self, name: str, value: object) -> None:
        """Keep something."""
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
            self.keep(f"listed {role}", [signed["targets"], signed["custom"]["packs"]])
        self.keep("versions", versions | {role: version})

    def _follow_packs(self, connection: Connection, role: str) -> None:
        version = self.load("versions").get(role, 0)
        if self.load(f"whole {role}") == version:
            return
        targets, packs = self.load(f"listed {role}") or ({}, {})
        parts = sorted(_list_parts(role, targets, packs))
        held = self.let_go(role, packs)
        if self.fetch_parts(connection, self.choose(parts, held)):
            self.keep(f"held {role}", self.count_held(parts))
            self.keep(f"whole {role}", version)


def _version(named: dict[str, Any]) -> int:
    version = named["version"]
    if type(version) is not int or version < 0:
        raise ValueError("a version is a number")
    return version


def _list_parts(role: str, targets: dict[str, Any], packs: dict[str, Any]) -> list[Part]:
    return [
        Part(kind, int(name[:2]), f"/targets/{role}/{kind}/{its['hashes']['sha256']}.{name}", pack)
        for target, its in targets.items()
        for kind, name in (target.split("/")[1:],)
        for pack in (packs[kind],)
        if name.endswith(".xz")
    ]
