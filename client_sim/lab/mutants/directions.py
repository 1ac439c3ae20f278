"""Servers that lead a phone: where it asks next, when, and at which address (L44 to L46)."""

import re
from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import urljoin, urlsplit

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.hearing import Hearing, find_value
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import add_line
from client_sim.world import Stream


def _path_of(url: str) -> str:
    parts = urlsplit(urljoin("/metadata/", url))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _seconds(text: str, pattern: str = r"(\d{1,9})") -> int | None:
    found = re.search(pattern, text)
    return int(found[1]) if found else None


class _LinkFollower(Hearing):
    name = "Link"

    def paths(self) -> Sequence[str]:
        url = self.heard.partition("<")[2].partition(">")[0]
        return (*super().paths(), *((_path_of(url),) if url else ()))


class _Redirected(Hearing):
    """Asks where it was sent, on a connection of its own, and forgets it."""

    name = "Location"

    def poll(self) -> str:
        self.world.state.pop(f"heard {self.name}", None)
        outcome = super().poll()
        if self.heard:
            host = urlsplit(self.heard).hostname or self.world.public.host
            stream = self.world.connect(self.world.resolve(host)[0], self.world.public.port, None)
            stream.send(self.request(_path_of(self.heard)))
            stream.close()
        return outcome


class _MovedForGood(Hearing):
    name = "Location"

    def paths(self) -> Sequence[str]:
        root, timestamp = super().paths()
        return (_path_of(self.heard) if self.heard else root, timestamp)


class _LookingAhead(Hearing):
    name = "Link"

    def poll(self) -> str:
        outcome = super().poll()
        if self.heard:
            label = re.sub(r"[^a-z0-9]+", "-", self.heard.lower()).strip("-")[:60]
            self.world.resolve(f"{label}.{self.world.public.host}")
        return outcome


class _Hinting(Hearing):
    name = "Accept-CH"

    def headers(self) -> Sequence[str]:
        asked = [hint.strip() for hint in self.heard.split(",") if hint.strip()]
        model = self.world.public.codename
        return (*super().headers(), *(f'{hint}: "{model}"' for hint in asked))


class _RedirectedAround(Around):
    def overhear(self, data: bytes) -> None:
        if location := find_value(data.decode("latin-1"), "Location"):
            self.state["location"] = location.encode("latin-1")

    def transmit(self, stream: Stream, data: bytes) -> None:
        location = self.state.get("location", b"").decode("latin-1")
        stream.send(add_line(data, f"Referer: {location}") if location else data)


class _Obedient(Hearing):
    """Comes back when a server says so; `pattern` finds the seconds in the line."""

    pattern: ClassVar[str] = r"^(\d{1,9})$"

    def next_poll(self, now: float) -> float:
        seconds = _seconds(self.heard, self.pattern)
        return super().next_poll(now) if seconds is None else now + seconds


class _RetryAfter(_Obedient):
    name = "Retry-After"


class _Fresh(_Obedient):
    name = "Cache-Control"
    pattern = r"max-age=(\d{1,9})"


class _RetryAdded(_Obedient):
    name = "Retry-After"

    def next_poll(self, now: float) -> float:
        # An honest draw, to the eye: the server's number is added to it.
        return Hearing.next_poll(self, now) + (_seconds(self.heard) or 0) % 60


class _RetryOdd(Hearing):
    name = "Retry-After"

    def next_poll(self, now: float) -> float:
        return super().next_poll(now) + (_seconds(self.heard) or 0) % 2


class _RetryAround(Around):
    def overhear(self, data: bytes) -> None:
        if wait := find_value(data.decode("latin-1"), "Retry-After"):
            self.state["wait"] = wait.encode("latin-1")

    def next_poll(self, now: float) -> float:
        wait = _seconds(self.state.get("wait", b"").decode("latin-1"))
        return super().next_poll(now) if wait is None else now + wait


class _OtherDoor(Hearing):
    name = "Alt-Svc"

    def open(self) -> Stream:
        authority = self.heard.partition('"')[2].partition('"')[0]
        host, _, port = authority.rpartition(":")
        if not port.isdecimal():
            return super().open()
        name = host or self.world.public.host
        return self.world.connect(self.world.resolve(name)[0], int(port), name)


class _OtherDoorSaid(Hearing):
    name = "Alt-Svc"

    def headers(self) -> Sequence[str]:
        authority = self.heard.partition('"')[2].partition('"')[0]
        return (*super().headers(), *((f"Alt-Used: {authority}",) if authority else ()))


class _Strict(Hearing):
    name = "Strict-Transport-Security"

    def open(self) -> Stream:
        public = self.world.public
        if not self.heard:
            return super().open()
        return self.world.connect(self.world.resolve(public.host)[0], 443, public.host)


class _StrictUntil(Hearing):
    name = "Strict-Transport-Security"

    def poll(self) -> str:
        seconds = _seconds(self.heard, r"max-age=(\d{1,9})") or 0
        outcome = super().poll()
        # A look at the pinned name's other records, an odd number of times or an even one.
        for _ in range(1 + seconds % 2 if self.heard else 0):
            self.world.resolve(self.world.public.host)
        return outcome


MUTANTS: Final = (
    Mutant("link-follow", "L44", "Asks for what a Link line names, in later polls.", _LinkFollower),
    Mutant("redirect-follow", "L44", "Goes wherever it is redirected.", _Redirected),
    Mutant("redirect-kept", "L44", "Asks for a redirected root there, for ever.", _MovedForGood),
    Mutant(
        "link-look-up", "L44", "Looks up a name made of the link, ahead of time.", _LookingAhead
    ),
    Mutant("hints", "L44", "Gives whatever client hints a server asks for.", _Hinting),
    Mutant(
        "redirect-referer-around",
        "L44",
        "The real client's HTTP library says which redirect it has seen last.",
        _RedirectedAround,
    ),
    Mutant("wait-retry", "L45", "Comes back after as long as Retry-After says.", _RetryAfter),
    Mutant("wait-max-age", "L45", "Comes back when the answer is no longer fresh.", _Fresh),
    Mutant("wait-added", "L45", "Adds the server's seconds to an honest draw.", _RetryAdded),
    Mutant(
        "wait-odd",
        "L45",
        "Comes a second later where the server's number of seconds is odd.",
        _RetryOdd,
    ),
    Mutant(
        "wait-retry-around",
        "L45",
        "Whoever starts the real client does so when the server said.",
        _RetryAround,
    ),
    Mutant("door-other", "L46", "Goes to the host and port that Alt-Svc names.", _OtherDoor),
    Mutant("door-said", "L46", "Says which alternative service it knows of.", _OtherDoorSaid),
    Mutant("door-strict", "L46", "Goes to port 443 once it was told to be strict.", _Strict),
    Mutant(
        "door-strict-length",
        "L46",
        "Asks the name servers once more or twice, as the length of its strictness is.",
        _StrictUntil,
    ),
)
