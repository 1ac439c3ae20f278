"""Faults of answers: statuses, framing, codings, and bytes that are no HTTP."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import Final

from client_sim.lab.servers.fault import PLACES, Fault, say_instead, send_instead
from client_sim.lab.servers.replies import Reply, Wrap, alter_replies

_STATUSES: Final = (400, 403, 404, 408, 410, 421, 429, 451, 500, 502, 503, 504)
_BOMB: Final = 16 * 1024 * 1024  # three times the longest body that a phone accepts


def _refuse(status: int) -> Callable[[Reply], Reply]:
    body = b"Not now.\n"
    fields = (("Content-Type", "text/plain"), ("Content-Length", str(len(body))))
    refused = Reply(status, HTTPStatus(status).phrase, fields, body)
    return lambda _: refused


def _refuse_all(status: int) -> Wrap:
    say = _refuse(status)
    return alter_replies(lambda _asked, _target, reply: say(reply))


def _put(name: str, value: str) -> Callable[[Reply], Reply]:
    return lambda reply: reply.put((name, value))


def _add(name: str, value: str) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, fields=(*reply.fields, (name, value)))


def _body(make: Callable[[bytes], bytes]) -> Callable[[Reply], Reply]:
    return lambda reply: reply.with_body(make(reply.body))


@cache
def _bomb() -> bytes:
    """Compress very many zeros; made once, when it is first asked for."""
    return gzip.compress(bytes(_BOMB), 9, mtime=0)


def _explode(reply: Reply) -> Reply:
    return reply.put(("Content-Encoding", "gzip")).with_body(_bomb())


def _chunked(body: bytes) -> Callable[[Reply], Reply]:
    def say(reply: Reply) -> Reply:
        sent = reply.drop("Content-Length").put(("Transfer-Encoding", "chunked"))
        return replace(sent, body=body)

    return say


def _status(code: int) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, status=code, reason="Odd")


_SAYINGS: Final[tuple[tuple[str, Callable[[Reply], Reply]], ...]] = (
    ("an empty body", _body(lambda _: b"")),
    ("an empty body of no coding", lambda r: r.drop("Content-Encoding").with_body(b"")),
    ("half a body as a whole one", _body(lambda body: body[: len(body) // 2])),
    ("a body and more", _body(lambda body: body + b"more")),
    ("bytes behind the answer", lambda r: replace(r, body=r.body + b"HTTP/1.1 200 OK\r\n\r\n")),
    ("a length that is too long", _put("Content-Length", "1000000")),
    ("a length that is too short", _put("Content-Length", "3")),
    ("a length below nothing", _put("Content-Length", "-1")),
    ("a length beyond all numbers", _put("Content-Length", "9" * 40)),
    ("two lengths", _add("Content-Length", "1")),
    ("no length", lambda r: r.drop("Content-Length")),
    ("two framings", _add("Transfer-Encoding", "chunked")),
    ("a framing that nobody knows", _put("Transfer-Encoding", "gzip, zip")),
    ("a chunk without an end", _chunked(b"40\r\nabc")),
    ("a chunk beyond all numbers", _chunked(b"f" * 30 + b"\r\n")),
    ("chunks that are none", _chunked(b"xyz\r\n")),
    ("a coding that was not asked for", _put("Content-Encoding", "br")),
    ("a coding twice", _put("Content-Encoding", "gzip, gzip")),
    ("a coding that is not there", lambda r: r.drop("Content-Encoding")),
    ("damaged gzip", _body(lambda body: body[:12] + b"\xff" * 8 + body[20:])),
    ("cut gzip", _body(lambda body: body[:-6])),
    ("a bomb", _explode),
    ("a status that nobody knows", _status(299)),
    ("a status beyond all", _status(999)),
    ("nothing to say", _status(204)),
    ("a part that was not asked for", _status(206)),
    ("another protocol", _status(101)),
    ("very many fields", lambda r: replace(r, fields=(*r.fields, *[("X", "y")] * 1_000))),
    ("a field without a name", _add("", "value")),
    ("a field with a break", _add("X", "a\r\n b")),
)
_SENDINGS: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("bytes that are no HTTP", lambda _: bytes(range(256)) * 8),
    ("a page in place of HTTP", lambda _: b"<html>please log in</html>\r\n\r\n"),
    ("HTTP/1.0", lambda data: data.replace(b"HTTP/1.1", b"HTTP/1.0", 1)),
    ("HTTP/2", lambda _: b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
    ("a TLS alert", lambda _: b"\x15\x03\x01\x00\x02\x02\x46"),
    ("a head without an end", lambda _: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000),
    ("a line without an end", lambda _: b"HTTP/1.1 200 " + b"O" * 300_000),
    ("an answer before the answer", lambda data: data + data),
)

ANSWERS: Final[tuple[Fault, ...]] = (
    *(Fault(f"{status} to everything", _refuse_all(status)) for status in _STATUSES),
    *(
        Fault(f"{status}, at {place}", say_instead(place, _refuse(status)))
        for status in _STATUSES
        for place in PLACES
        # 404 is what a poll expects there.
        if place in {"root", "timestamp"} or status in {404, 410, 500}
        if (status, place) != (404, "root")
    ),
    *(
        Fault(f"{name}, at {place}", say_instead(place, say))
        for name, say in _SAYINGS
        for place in ("timestamp", "latest")
    ),
    *(
        Fault(f"{name}, at {place}", send_instead(place, send))
        for name, send in _SENDINGS
        for place in ("root", "timestamp", "latest")
    ),
)
