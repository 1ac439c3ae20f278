"""Faults of servers and networks, and the requests in which they occur."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from client_sim.lab.servers.packs import PARTS, name_part
from client_sim.lab.servers.replies import Reply, ReplyChange, Wrap, alter_replies, only_at
from client_sim.lab.trace.memory import Request, Responder

PLACES: Final = {
    "root": r"/metadata/[0-9]+\.root\.json",
    "timestamp": r"/metadata/timestamp\.json",
    "snapshot": r"/metadata/[0-9]+\.snapshot\.json",
    "targets": r"/metadata/[0-9]+\.targets\.json",
    "latest": r"/metadata/[0-9]+\.latest\.json",
    "tables": r"/metadata/[0-9]+\.tables\.json",
    "proof": r"/log/proof/latest\.[0-9]+",
}
"""The requests of a poll in which a fault can occur: patterns of their targets."""

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
"""The requests of an installation in which a fault can occur."""

_PATTERNS: Final = {
    place: re.compile(pattern) for place, pattern in (PLACES | PACK_PLACES | INSTALL_PLACES).items()
}
_TARGET: Final = re.compile(rb"[A-Z]+ ([^ ?\r\n]+)")


BytesChange = Callable[[bytes], bytes]
"""Returns other bytes instead of those of an answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; `wrap` adds it to a server.

    `is_reached` says whether a request is sent at all, which needs a resolved name and a
    connection. `poll`, from 0, is a poll that has a request in which the fault can occur.
    """

    name: str
    wrap: Wrap
    is_reached: bool = True
    poll: int = 1

    def at(self, connections: Collection[int]) -> Wrap:
        """Return a wrap in which the fault occurs in the given connections of a run, from 0."""
        return only_at(connections, self.wrap)


def is_at(place: str, target: str) -> bool:
    """Return whether a request's target is at a place of a poll or an installation."""
    return _PATTERNS[place].fullmatch(target.partition("?")[0]) is not None


def change_reply_at(place: str, change: ReplyChange) -> Wrap:
    """Return a wrap that changes the reply at a place of a poll."""

    def alter(_request: Request, target: str, reply: Reply) -> Reply:
        return change(reply) if is_at(place, target) else reply

    return alter_replies(alter)


def change_bytes_at(place: str, change: BytesChange) -> Wrap:
    """Return a wrap that sends other bytes at a place of a poll; `change` gets the original."""
    return respond_instead(place, lambda respond, request: change(respond(request)))


def respond_instead(place: str, instead: Callable[[Responder, Request], bytes]) -> Wrap:
    """Return a wrap in which requests at a place are answered by `instead`."""

    def wrap(respond: Responder) -> Responder:
        def mixed(request: Request) -> bytes:
            is_there = is_at(place, find_target(request))
            return instead(respond, request) if is_there else respond(request)

        return mixed

    return wrap


def find_target(request: Request) -> str:
    """Return the target of a request without its query, or an empty text."""
    match = _TARGET.match(request.data)
    return "" if match is None else match[1].decode("latin-1")


def list_reply_faults(
    changes: Mapping[str, ReplyChange], places: Iterable[str], *, poll: int = 1
) -> Iterator[Fault]:
    """Yield a fault for each reply in `changes` at each place."""
    for (name, change), place in product(changes.items(), places):
        yield Fault(f"{name}, at {place}", change_reply_at(place, change), poll=poll)


def list_byte_faults(
    changes: Mapping[str, BytesChange], places: Iterable[str], *, poll: int = 1
) -> Iterator[Fault]:
    """Yield a fault for each entry of `changes` at each place."""
    for (name, change), place in product(changes.items(), places):
        yield Fault(f"{name}, at {place}", change_bytes_at(place, change), poll=poll)
