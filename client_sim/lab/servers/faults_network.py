"""Faults of networks and answers: names, connections, statuses, framing, codings, blocks.

They include faults after an offer: of the codename role, its proof, and the blocks of a package.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from client_sim.lab.servers.fault import (
    INSTALL_PLACES,
    PLACES,
    BytesChange,
    Fault,
    change_reply_at,
    list_byte_faults,
    list_reply_faults,
)
from client_sim.lab.servers.replies import (
    Fields,
    Reply,
    ReplyChange,
    Wrap,
    alter_replies,
    always,
    refuse,
)
from client_sim.lab.trace.memory import Pieces, Request, Responder

_PATIENCE: Final = 30.0
"""Seconds; the timeout of a socket."""

_BOMB: Final = 16 * 1024 * 1024  # three times the longest body that a phone accepts


def _reset() -> OSError:
    return ConnectionResetError("the connection was reset")


def _late() -> OSError:
    return TimeoutError("timed out")


def _middle(data: bytes) -> int:
    """Return the offset of the middle of the body."""
    head = data.index(b"\r\n\r\n") + 4
    return head + (len(data) - head) // 2


LOST_ANSWERS: Final[dict[str, BytesChange]] = {
    "no answer in time": lambda _: Pieces(b"", [(_PATIENCE, 1)], error=_late()),
    "a reset in place of an answer": lambda _: Pieces(b"", error=_reset()),
    "a reset in the head": lambda data: Pieces(data[:30], error=_reset()),
    "a reset in the body": lambda data: Pieces(data[: _middle(data)], error=_reset()),
    "a reset after the answer": lambda data: Pieces(data, error=_reset()),
    "a hang-up in place of an answer": lambda _: b"",
    "a hang-up in the head": lambda data: data[:30],
    "a hang-up in the body": lambda data: data[: _middle(data)],
    "half an answer in time": lambda data: Pieces(
        data[: _middle(data)], [(0.0, 1 << 20), (_PATIENCE, 1)], error=_late()
    ),
    "a byte in twenty seconds": lambda data: Pieces(data, [(20.0, 1)] * len(data)),
    "an answer after a minute": lambda data: Pieces(data, [(60.0, 1 << 20)]),
    "an answer after an hour": lambda data: Pieces(data, [(3_600.0, 1 << 20)]),
}
"""Ways in which an answer is lost or late, by name; each gets the correct answer."""


@dataclass(frozen=True, slots=True)
class _Unreachable:
    """A server whose name does not resolve, or that accepts no connection."""

    respond: Responder
    error: Callable[[], OSError]
    is_name: bool

    def __call__(self, request: Request) -> bytes:
        return self.respond(request)

    def reach(self, request: Request) -> None:
        """Fail for the name, whose question has port 0, or for the connection."""
        if self.is_name == (request.port == 0):
            raise self.error()


def _fail_before(error: Callable[[], OSError], *, is_name: bool) -> Wrap:
    return lambda respond: _Unreachable(respond, error, is_name)


_UNREACHABLE: Final[dict[str, Wrap]] = {
    "a name that does not resolve": _fail_before(lambda: OSError("no such name"), is_name=True),
    "a resolver that is silent": _fail_before(_late, is_name=True),
    "a connection that is refused": _fail_before(
        lambda: ConnectionRefusedError("connection refused"), is_name=False
    ),
    "a connection that is not made in time": _fail_before(_late, is_name=False),
}

NETWORK: Final[tuple[Fault, ...]] = (
    *(Fault(name, wrap, is_reached=False) for name, wrap in _UNREACHABLE.items()),
    *list_byte_faults(LOST_ANSWERS, ("root", "timestamp", "latest", "proof")),
)


def _refuse(status: int, fields: Fields = ()) -> ReplyChange:
    refused = refuse(status, *fields, ("Content-Type", "text/plain"), body=b"Not now.\n")
    return lambda _: refused


def set_field(name: str, value: str) -> ReplyChange:
    """Return a change that replaces all fields of a name by one."""
    return lambda reply: reply.put((name, value))


def _add(name: str, value: str) -> ReplyChange:
    return lambda reply: replace(reply, fields=(*reply.fields, (name, value)))


def _body(make: Callable[[bytes], bytes]) -> ReplyChange:
    return lambda reply: reply.with_body(make(reply.body))


@cache
def _bomb() -> bytes:
    """Return a decompression bomb; made once, when it is first needed."""
    return gzip.compress(bytes(_BOMB), 9, mtime=0)


def _explode(reply: Reply) -> Reply:
    return reply.put(("Content-Encoding", "gzip")).with_body(_bomb())


def _chunked(body: bytes) -> ReplyChange:
    def change(reply: Reply) -> Reply:
        sent = reply.drop("Content-Length").put(("Transfer-Encoding", "chunked"))
        return replace(sent, body=body)

    return change


def _status(code: int) -> ReplyChange:
    return lambda reply: replace(reply, status=code, reason="Odd")


WRONG_REPLIES: Final[dict[str, ReplyChange]] = {
    "an empty body": _body(lambda _: b""),
    "an empty body of no coding": lambda r: r.drop("Content-Encoding").with_body(b""),
    "half a body as a whole one": _body(lambda body: body[: len(body) // 2]),
    "a body and more": _body(lambda body: body + b"more"),
    "bytes behind the answer": lambda r: replace(r, body=r.body + b"HTTP/1.1 200 OK\r\n\r\n"),
    "a length that is too long": set_field("Content-Length", "1000000"),
    "a length that is too short": set_field("Content-Length", "3"),
    "a length below nothing": set_field("Content-Length", "-1"),
    "a length beyond all numbers": set_field("Content-Length", "9" * 40),
    "two lengths": _add("Content-Length", "1"),
    "no length": lambda r: r.drop("Content-Length"),
    "two framings": _add("Transfer-Encoding", "chunked"),
    "a framing that nobody knows": set_field("Transfer-Encoding", "gzip, zip"),
    "a chunk without an end": _chunked(b"40\r\nabc"),
    "a chunk beyond all numbers": _chunked(b"f" * 30 + b"\r\n"),
    "chunks that are none": _chunked(b"xyz\r\n"),
    "a coding that was not asked for": set_field("Content-Encoding", "br"),
    "a coding twice": set_field("Content-Encoding", "gzip, gzip"),
    "a coding that is not there": lambda r: r.drop("Content-Encoding"),
    "damaged gzip": _body(lambda body: body[:12] + b"\xff" * 8 + body[20:]),
    "cut gzip": _body(lambda body: body[:-6]),
    "a bomb": _explode,
    "a status that nobody knows": _status(299),
    "a status beyond all": _status(999),
    "nothing to say": _status(204),
    "a part that was not asked for": _status(206),
    "another protocol": _status(101),
    "very many fields": lambda r: replace(r, fields=(*r.fields, *[("X", "y")] * 1_000)),
    "a field without a name": _add("", "value"),
    "a field with a break": _add("X", "a\r\n b"),
}
"""Wrong answers by name; each gets the correct answer."""

OTHER_BYTES: Final[dict[str, BytesChange]] = {
    "bytes that are no HTTP": lambda _: bytes(range(256)) * 8,
    "a page in place of HTTP": lambda _: b"<html>please log in</html>\r\n\r\n",
    "HTTP/1.0": lambda data: data.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "HTTP/2": lambda _: b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
    "a TLS alert": lambda _: b"\x15\x03\x01\x00\x02\x02\x46",
    "a head without an end": lambda _: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
    "a line without an end": lambda _: b"HTTP/1.1 200 " + b"O" * 300_000,
    "an answer before the answer": lambda data: data + data,
}
"""Bytes that are not a valid answer, by name."""

_STATUSES: Final = (400, 403, 404, 408, 410, 421, 429, 451, 500, 502, 503, 504)

ANSWERS: Final[tuple[Fault, ...]] = (
    *(
        Fault(f"{status} to everything", alter_replies(always(_refuse(status))))
        for status in _STATUSES
    ),
    *(
        Fault(f"{status}, at {place}", change_reply_at(place, _refuse(status)))
        for status in _STATUSES
        for place in PLACES
        # 404 is the expected answer for the next root.
        if place in {"root", "timestamp"} or status in {404, 410, 500}
        if (status, place) != (404, "root")
    ),
    *list_reply_faults(WRONG_REPLIES, ("timestamp", "latest")),
    *list_byte_faults(OTHER_BYTES, ("root", "timestamp", "latest")),
)

_REFUSALS: Final[tuple[tuple[int, Fields], ...]] = (
    *((status, ()) for status in (403, 404, 410, 416, 500, 502)),
    (429, (("Retry-After", "3600"),)),
    (503, (("Retry-After", "Fri, 01 Jan 2027 00:00:00 GMT"),)),
    (302, (("Location", "/targets/you/are/number/7.zip"),)),
    (307, (("Location", "http://elsewhere.example/7"),)),
    (401, (("WWW-Authenticate", 'Basic realm="7"'),)),
)
_INSTALL_REPLIES: Final = (
    *("an empty body", "half a body as a whole one", "a body and more"),
    *("a length that is too long", "a length that is too short", "no length"),
    "a coding that was not asked for",
)


def _whole(reply: Reply) -> Reply:
    """Answer with the whole file instead of a part."""
    return replace(reply.drop("Content-Range"), status=200, reason="OK")


_RANGES: Final[dict[str, ReplyChange]] = {
    "the whole in place of a block": _whole,
    "a block without its place": lambda reply: reply.drop("Content-Range"),
    "a block of another place": set_field("Content-Range", "bytes 8388608-8388700/16777216"),
    "a block of another length": set_field("Content-Range", "bytes 0-9/10"),
}

INSTALL: Final[tuple[Fault, ...]] = (
    *list_reply_faults(
        {f"{code}": _refuse(code, fields) for code, fields in _REFUSALS}, INSTALL_PLACES
    ),
    *list_reply_faults({name: WRONG_REPLIES[name] for name in _INSTALL_REPLIES}, INSTALL_PLACES),
    *list_reply_faults(
        {"other bytes": _body(lambda body: bytes(byte ^ 1 for byte in body))}, INSTALL_PLACES
    ),
    *list_reply_faults(_RANGES, ("package",)),
    *list_byte_faults(LOST_ANSWERS, INSTALL_PLACES),
)
"""The faults of an installation."""
