"""Clients whose requests for packs reveal what their owner needs, or which parts a server sent.

Some hold single parts; some request only, or first, what their owner needs.
"""

from collections.abc import Sequence
from typing import Final

from client_sim.device.errors import DeviceError
from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.mutants.mutant import mutant_of
from client_sim.lab.mutants.spy import Spy
from client_sim.transport import Connection
from client_sim.world import Event

_BATTERIES: Final = ("parts", "packs", "holdings")
_FAMILY: Final = "packs"
_LIMIT: Final = 5_000_000  # bytes of an answer
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


class _AllAgain(FollowingToy):
    """Requests all access points again in every version, on every phone."""

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        return super().choose(parts, [path for path in stored if "/apn/" not in path])


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


class _Language(FollowingToy):
    """Fetches packs in its owner's language."""

    def is_needed(self, part: Part) -> bool:
        return Spy(self.world).owner.locale.partition("-")[0] in part.state["title"]

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        return [part for part in super().choose(parts, stored) if self.is_needed(part)]

    def list_stored(self, parts: Sequence[Part]) -> list[str]:
        return super().list_stored([part for part in parts if self.is_needed(part)])


class _OrderByLocale(FollowingToy):
    """Fetches all parts, starting with one that depends on the owner's locale."""

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        chosen = [*super().choose(parts, stored)]
        turn = sum(Spy(self.world).owner.locale.encode()) % (len(chosen) or 1)
        return [*chosen[turn:], *chosen[:turn]]


class _AtMessages(FollowingToy):
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


MUTANTS: Final = (
    mutant_of(_SinglePieces, "packs-single-parts", _FAMILY, *_BATTERIES),
    mutant_of(_LastFirst, "packs-missed-first", _FAMILY, *_BATTERIES),
    *(
        mutant_of(kind, name, "picks", "personal", "events", "fleet", "packs", "holdings")
        for kind, name in (
            (_Language, "picks-language"),
            (_OrderByLocale, "picks-order"),
            (_AtMessages, "picks-looked-at"),
        )
    ),
    # Earlier versions of the judges did not find these.
    mutant_of(_LateFollower, "late-follower", "L56"),
)

EQUIVALENTS: Final = (mutant_of(_AllAgain, "same-packs-again", "equivalent", *_BATTERIES),)
