"""Faults after an offer: of the codename role, of its proof, and of the blocks of a package."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from client_sim.lab.servers.fault import INSTALL_PLACES, Fault, say_instead, send_instead
from client_sim.lab.servers.faults_network import SENDINGS
from client_sim.lab.servers.replies import Fields, Reply

_STATUSES: Final[tuple[tuple[int, Fields], ...]] = (
    *((status, ()) for status in (403, 404, 410, 416, 500, 502)),
    (429, (("Retry-After", "3600"),)),
    (503, (("Retry-After", "Fri, 01 Jan 2027 00:00:00 GMT"),)),
    (302, (("Location", "/targets/you/are/number/7.zip"),)),
    (307, (("Location", "http://elsewhere.example/7"),)),
    (401, (("WWW-Authenticate", 'Basic realm="7"'),)),
)


def _refuse(status: int, fields: Fields) -> Callable[[Reply], Reply]:
    told = (*fields, ("Content-Type", "text/plain"), ("Content-Length", "9"))
    refused = Reply(status, HTTPStatus(status).phrase, told, b"Not now.\n")
    return lambda _: refused


def _body(make: Callable[[bytes], bytes]) -> Callable[[Reply], Reply]:
    return lambda reply: reply.with_body(make(reply.body))


def _put(name: str, value: str) -> Callable[[Reply], Reply]:
    return lambda reply: reply.put((name, value))


def _whole(reply: Reply) -> Reply:
    """Answer with the whole in place of a part."""
    return replace(reply.drop("Content-Range"), status=200, reason="OK")


_SAYINGS: Final[tuple[tuple[str, Callable[[Reply], Reply]], ...]] = (
    ("an empty body", _body(lambda _: b"")),
    ("half a body as a whole one", _body(lambda body: body[: len(body) // 2])),
    ("a body and more", _body(lambda body: body + b"more")),
    ("other bytes", _body(lambda body: bytes(byte ^ 1 for byte in body))),
    ("a length that is too long", _put("Content-Length", "1000000")),
    ("a length that is too short", _put("Content-Length", "3")),
    ("no length", lambda reply: reply.drop("Content-Length")),
    ("a coding that was not asked for", _put("Content-Encoding", "br")),
)
_RANGES: Final[tuple[tuple[str, Callable[[Reply], Reply]], ...]] = (
    ("the whole in place of a block", _whole),
    ("a block without its place", lambda reply: reply.drop("Content-Range")),
    ("a block of another place", _put("Content-Range", "bytes 8388608-8388700/16777216")),
    ("a block of another length", _put("Content-Range", "bytes 0-9/10")),
)

INSTALL: Final[tuple[Fault, ...]] = (
    *(
        Fault(f"{status}, at {place}", say_instead(place, _refuse(status, fields)))
        for status, fields in _STATUSES
        for place in INSTALL_PLACES
    ),
    *(
        Fault(f"{name}, at {place}", say_instead(place, say))
        for name, say in _SAYINGS
        for place in INSTALL_PLACES
    ),
    *(Fault(f"{name}, at package", say_instead("package", say)) for name, say in _RANGES),
    *(
        Fault(f"{name}, at {place}", send_instead(place, send))
        for name, send in SENDINGS
        for place in INSTALL_PLACES
    ),
)
"""What goes wrong where a phone fetches what it was offered."""
