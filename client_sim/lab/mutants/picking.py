"""Clients that ask only, or first, for what their owner needs, and so reveal what that is."""

from collections.abc import Sequence
from typing import Any, Final

from client_sim.device.errors import DeviceError
from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.mutants.mutant import mutant_of
from client_sim.lab.mutants.spy import Spy
from client_sim.transport import Connection
from client_sim.world import Event, World

_PARTS: Final = {"apn": 16, "ca": 16, "emergency": 4, "zones": 16}


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
        """Return whether the owner has a use for a part; subclasses decide."""
        return True

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        """Choose what the owner has a use for."""
        return [part for part in super().choose(parts, held) if self.is_wanted(part)]

    def count_held(self, parts: Sequence[Part]) -> list[str]:
        """Count as held what was of use."""
        return super().count_held([part for part in parts if self.is_wanted(part)])


class _Language(Picker):
    """Fetches packs in its owner's language."""

    def is_wanted(self, part: Part) -> bool:
        return self.language in part.state["title"]


class _Roaming(Picker):
    """Fetches nothing more after a journey."""

    def on_event(self, event: Event) -> None:
        if event.name == "travelled":
            self.world.state["roaming"] = b"1"

    def is_wanted(self, _part: Part) -> bool:
        return "roaming" not in self.world.state


class _OrderByLocale(Picker):
    """Fetches all parts, and begins where its owner's locale says."""

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
    """Fetches a pack when its own place in the rollout has come.

    So do clients that mistake fetching for using.
    """

    def is_wanted(self, part: Part) -> bool:
        place = int.from_bytes(self.spy.keep("secret", 8), "big") % 1000
        shares = [share for at, share in part.state["rollout"] if at <= self.world.now()]
        return place < max(shares, default=0)


class _WithdrawnForOthers(Picker):
    """Holds on to withdrawn packs that are not in its owner's language."""

    def let_go(self, role: str, packs: dict[str, Any]) -> list[str]:
        read = {kind: pack for kind, pack in packs.items() if self.language in pack["title"]}
        return super().let_go(role, read)

    def count_held(self, parts: Sequence[Part]) -> list[str]:
        kept = [part.path for part in parts if self.language not in part.state["title"]]
        return list(dict.fromkeys([*super().count_held(parts), *kept]))


MUTANTS: Final = tuple(
    mutant_of(kind, name, "picks", "personal", "events", "fleet", "packs", "holdings")
    for kind, name in (
        (_Language, "picks-language"),
        (_Roaming, "picks-at-home"),
        (_OrderByLocale, "picks-order"),
        (_Looked, "picks-looked-at"),
        (_Bucket, "picks-bucket"),
        (_WithdrawnForOthers, "picks-withdrawn"),
    )
)
