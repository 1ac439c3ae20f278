"""Faults of servers and networks, and the requests in which they strike."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from client_sim.lab.servers.packs import PARTS, name_part
from client_sim.lab.servers.replies import Reply, Say, Wrap, alter_replies, only_at
from client_sim.lab.trace.memory import Asked, Responder

PLACES: Final = {
    "root": r"/metadata/[0-9]+\.root\.json",
    "timestamp": r"/metadata/timestamp\.json",
    "snapshot": r"/metadata/[0-9]+\.snapshot\.json",
    "targets": r"/metadata/[0-9]+\.targets\.json",
    "latest": r"/metadata/[0-9]+\.latest\.json",
    "tables": r"/metadata/[0-9]+\.tables\.json",
    "proof": r"/log/proof/latest\.[0-9]+",
}
"""The requests of a poll in which a fault can strike: patterns of their targets."""

PACK_PLACES: Final = {
    "content": r"/metadata/[0-9]+\.content\.json",
    "the proof of tables": r"/log/proof/tables\.[0-9]+",
    "the proof of content": r"/log/proof/content\.[0-9]+",
    "parts of tables": r"/targets/tables/[a-z]+/[0-9a-f]{64}\.[0-9]{2}\.xz",
    "parts of content": r"/targets/content/[a-z]+/[0-9a-f]{64}\.[0-9]{2}\.xz",
    **{
        name_part(kind, number): rf"/targets/[a-z]+/{kind}/[0-9a-f]{{64}}\.{number:02}\.xz"
        for kind, count in PARTS.items()
        for number in range(count)
    },
}
"""As `PLACES`, for requests after the update decision; a fault there does not fail the poll."""

_MODEL: Final = r"(?!(?:root|targets|snapshot|timestamp|latest|tables|content)\b)[a-z0-9_-]+"
INSTALL_PLACES: Final = {
    "codename": rf"/metadata/[0-9]+\.{_MODEL}\.json",
    "codename's proof": rf"/log/proof/{_MODEL}\.[0-9]+",
    "package": r"/targets/(?!tables/|content/|latest/).*\.zip",
}
"""The requests of an installation in which a fault can strike."""

_PATTERNS: Final = {
    place: re.compile(pattern) for place, pattern in (PLACES | PACK_PLACES | INSTALL_PLACES).items()
}
_TARGET: Final = re.compile(rb"[A-Z]+ ([^ ?\r\n]+)")


Send = Callable[[bytes], bytes]
"""Returns other bytes instead of those of an answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; `wrap` adds it to a server.

    `is_reached` says whether a request is sent at all, which needs a resolved name and a
    connection. `poll`, from 0, is a poll that has a request in which the fault can strike.
    """

    name: str
    wrap: Wrap
    is_reached: bool = True
    poll: int = 1

    def at(self, connections: Collection[int]) -> Wrap:
        """Return a wrap in which the fault strikes in the given connections of a run, from 0."""
        return only_at(connections, self.wrap)


def is_at(place: str, target: str) -> bool:
    """Return whether a request's target is at a place of a poll or an installation."""
    return _PATTERNS[place].fullmatch(target.partition("?")[0]) is not None


def say_instead(place: str, say: Say) -> Wrap:
    """Return a wrap that changes the reply at a place of a poll."""

    def alter(_asked: Asked, target: str, reply: Reply) -> Reply:
        return say(reply) if is_at(place, target) else reply

    return alter_replies(alter)


def send_instead(place: str, send: Send) -> Wrap:
    """Return a wrap that sends other bytes at a place of a poll; `send` gets the original ones."""

    def wrap(respond: Responder) -> Responder:
        def broken(asked: Asked) -> bytes:
            match = _TARGET.match(asked.data)
            data = respond(asked)
            if match is None or not is_at(place, match[1].decode("latin-1")):
                return data
            return send(data)

        return broken

    return wrap


def list_said(
    sayings: Mapping[str, Say], places: Iterable[str], *, poll: int = 1
) -> Iterator[Fault]:
    """Yield a fault for each reply in `sayings` at each place."""
    for (name, say), place in product(sayings.items(), places):
        yield Fault(f"{name}, at {place}", say_instead(place, say), poll=poll)


def list_sent(
    sendings: Mapping[str, Send], places: Iterable[str], *, poll: int = 1
) -> Iterator[Fault]:
    """Yield a fault for each entry of `sendings` at each place."""
    for (name, send), place in product(sendings.items(), places):
        yield Fault(f"{name}, at {place}", send_instead(place, send), poll=poll)
