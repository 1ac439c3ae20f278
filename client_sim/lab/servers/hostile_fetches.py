"""Pairs at what a phone fetches after metadata: packages, and parts of packs.

The server chooses which parts arrive: of four parts it can hand out any of fifteen incomplete sets,
and recognise a phone by what it still asks for. So of a role's version all missing parts come in
one poll, or none counts (ADR 57).
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Final

from client_sim.lab.servers.fault import INSTALL_PLACES, Send, is_at, say_instead, send_instead
from client_sim.lab.servers.hostile_heads import FIELDS
from client_sim.lab.servers.packs import name_part
from client_sim.lab.servers.replies import (
    Alter,
    HostilePair,
    Mark,
    Reply,
    Say,
    Wrap,
    make_pair,
    refuse,
)
from client_sim.lab.trace.memory import Pieces

# Status, field, value. {t} is a token, {n} seconds, {d} a date.
_REFUSALS: Final = (
    (302, "Location", "/u/{t}/7.zip"),
    (307, "Location", "http://{t}.example.org/7.zip"),
    (503, "Retry-After", "{n}"),
    (429, "Retry-After", "{d}"),
    (401, "WWW-Authenticate", 'Digest realm="r", nonce="{t}"'),
    (416, "Content-Range", "bytes */{n}"),
    (304, "ETag", '"{t}"'),
)

_PATIENCE: Final = 30.0


def _refuse(place: str, status: int, name: str, value: str) -> HostilePair:
    def make(mark: Mark) -> Alter:
        instead = refuse(status, (name, mark.fill(value)))
        return lambda _asked, target, reply: instead if is_at(place, target) else reply

    return make_pair(f"{status} at {place}", name, make)


INSTALLING: Final[tuple[HostilePair, ...]] = (
    *(_refuse(place, *refusal) for refusal, place in product(_REFUSALS, INSTALL_PLACES)),
    *FIELDS,
)
"""Pairs that refuse an installation, then those whose fields are in all answers."""


def _say(say: Say) -> Callable[[str], Wrap]:
    return lambda place: say_instead(place, say)


def _refusing(status: int, *fields: tuple[str, str]) -> Callable[[str], Wrap]:
    instead = refuse(status, *fields)
    return _say(lambda _: instead)


def _send(send: Send) -> Callable[[str], Wrap]:
    return lambda place: send_instead(place, send)


def _without_length(reply: Reply) -> Reply:
    return replace(reply.drop("Content-Length"), body=reply.body[:-1])


_MANNERS: Final[tuple[tuple[str, Callable[[str], Wrap]], ...]] = (
    ("404", _refusing(404)),
    ("wrong bytes", _say(lambda reply: reply.with_body(reply.body[::-1]))),
    ("an answer cut short", _send(lambda data: data[:-20])),
    ("500", _refusing(500)),
    ("429 with a time to wait", _refusing(429, ("Retry-After", "7200"))),
    ("404 with a time to wait", _refusing(404, ("Retry-After", "7200"))),
    ("an empty part", _say(lambda reply: reply.with_body(b""))),
    ("an older answer's validator", _refusing(304, ("ETag", '"a"'))),
    ("a reset", _send(lambda _: Pieces(b"", error=ConnectionResetError("reset")))),
    ("no answer", _send(lambda _: Pieces(b"", [(_PATIENCE, 1)], error=TimeoutError("late")))),
    ("a part without its length", _say(_without_length)),
)
"""How a part is withheld."""

MANNERS: Final = len(_MANNERS)
"""In how many ways."""


def _pair(manner: tuple[str, Callable[[str], Wrap]], one: str, other: str) -> HostilePair:
    name, make = manner
    return HostilePair(f"{name}: {one}, or {other}", "part", make(one), make(other))


SMALL_PARTS: Final[tuple[HostilePair, ...]] = tuple(
    _pair(manner, name_part("emergency", one), name_part("emergency", other))
    for one, other in ((0, 3), (1, 2), (2, 3))
    for manner in _MANNERS
)
"""At the one pack of `tables` that every repository has: three pairs of parts in all manners."""

STOCKED_PARTS: Final[tuple[HostilePair, ...]] = tuple(
    _pair(manner, one, other)
    for one, other in (
        (name_part("apn", 14), name_part("zones", 3)),
        (name_part("ca", 0), name_part("emergency", 1)),
        (name_part("greetings", 7), name_part("holidays", 2)),
        (name_part("features", 0), name_part("wallpapers", 0)),
    )
    for manner in _MANNERS[:3]
)
"""Pairs at parts of different kinds of a role, where there is every kind."""
