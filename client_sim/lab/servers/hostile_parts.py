"""Pairs that withhold one part of a pack each, and not the same one.

The server chooses which parts arrive: of four parts it can hand out any of fifteen incomplete sets,
and recognise a phone by what it still asks for. So of a role's version all missing parts come in
one poll, or none counts (ADR 57).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from client_sim.lab.servers.fault import say_instead, send_instead
from client_sim.lab.servers.packs import name_part
from client_sim.lab.servers.pairs import HostilePair
from client_sim.lab.servers.replies import Fields, Reply, Wrap
from client_sim.lab.trace.memory import Pieces

_PATIENCE: Final = 30.0


def _refuse(status: int, reason: str, *fields: tuple[str, str]) -> Callable[[str], Wrap]:
    all_fields: Fields = (*fields, ("Content-Length", "0"))
    instead = Reply(status, reason, all_fields, b"")
    return lambda place: say_instead(place, lambda _: instead)


def _change(change: Callable[[bytes], bytes]) -> Callable[[str], Wrap]:
    return lambda place: say_instead(place, lambda reply: reply.with_body(change(reply.body)))


def _send(send: Callable[[bytes], bytes]) -> Callable[[str], Wrap]:
    return lambda place: send_instead(place, send)


_MANNERS: Final[tuple[tuple[str, Callable[[str], Wrap]], ...]] = (
    ("404", _refuse(404, "Not Found")),
    ("wrong bytes", _change(lambda body: body[::-1])),
    ("an answer cut short", _send(lambda data: data[:-20])),
    ("500", _refuse(500, "Internal Server Error")),
    ("429 with a time to wait", _refuse(429, "Too Many Requests", ("Retry-After", "7200"))),
    ("404 with a time to wait", _refuse(404, "Not Found", ("Retry-After", "7200"))),
    ("an empty part", _change(lambda _: b"")),
    ("an older answer's validator", _refuse(304, "Not Modified", ("ETag", '"a"'))),
    ("a reset", _send(lambda _: Pieces(b"", error=ConnectionResetError("reset")))),
    ("no answer", _send(lambda _: Pieces(b"", [(_PATIENCE, 1)], error=TimeoutError("late")))),
    ("a part without its length", lambda place: say_instead(place, _without_length)),
)
"""How a part is withheld."""

MANNERS: Final = len(_MANNERS)
"""In how many ways."""


def _without_length(reply: Reply) -> Reply:
    return replace(reply.drop("Content-Length"), body=reply.body[:-1])


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
