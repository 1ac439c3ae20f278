"""Parsed answers, which can be changed, and pairs of servers that send different values."""

import gzip
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import cycle
from typing import Final, Self

from client_sim.lab.trace.memory import Request, Responder

_TARGET: Final = re.compile(rb"(?:^|\r\n\r\n)[A-Z]+ ([^ \r\n]+) HTTP/1\.1(?=\r\n)")
_HOST: Final = re.compile(rb"\r\n[Hh]ost: *([^\r]*)")

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: header fields in order, the body as sent, and bytes in front of the answer."""

    status: int
    reason: str
    fields: Fields
    body: bytes
    before: bytes = b""

    def get(self, name: str) -> str | None:
        """Return the first value of a field, or None."""
        lower_name = name.lower()
        return next((value for known, value in self.fields if known.lower() == lower_name), None)

    def put(self, *fields: tuple[str, str]) -> Self:
        """Return the answer with these fields instead of those with the same names."""
        names = {name.lower() for name, _ in fields}
        remaining = tuple(pair for pair in self.fields if pair[0].lower() not in names)
        return replace(self, fields=(*remaining, *fields))

    def drop(self, *names: str) -> Self:
        """Return the answer without some fields."""
        removed = {name.lower() for name in names}
        remaining = tuple(pair for pair in self.fields if pair[0].lower() not in removed)
        return replace(self, fields=remaining)

    def with_body(self, body: bytes) -> Self:
        """Return the answer with another body and its length."""
        return replace(self.put(("Content-Length", str(len(body)))), body=body)


def refuse(status: int, *fields: tuple[str, str], body: bytes = b"") -> Reply:
    """Return an answer with a status, these fields, and Content-Length."""
    all_fields = (*fields, ("Content-Length", str(len(body))))
    return Reply(status, HTTPStatus(status).phrase, all_fields, body)


def find_host(request: Request) -> str:
    """Return the value of a request's Host header, or an empty text."""
    found = _HOST.search(request.data)
    return "" if found is None else found[1].decode("latin-1")


Alter = Callable[[Request, str, Reply], Reply]
"""Returns another reply; the text is the request's target."""

ReplyChange = Callable[[Reply], Reply]
"""Returns another reply, independent of the request."""

Wrap = Callable[[Responder], Responder]
"""Returns a changed server."""


def wrapped(serve: Callable[[], Responder], wrap: Wrap) -> Callable[[], Responder]:
    """Return a factory of servers that are changed by `wrap`."""
    return lambda: wrap(serve())


def always(change: ReplyChange) -> Alter:
    """Return an alteration that applies to every request."""
    return lambda _request, _target, reply: change(reply)


def rewrite_body(rewrite: Callable[[bytes], bytes]) -> ReplyChange:
    """Return a change that rewrites the body of a found file and sends it uncompressed.

    A missing file remains missing.
    """

    def change(reply: Reply) -> Reply:
        if reply.status != HTTPStatus.OK:
            return reply
        plain = gzip.decompress(reply.body) if reply.get("Content-Encoding") else reply.body
        return reply.drop("Content-Encoding").with_body(rewrite(plain))

    return change


def alter_replies(alter: Alter) -> Wrap:
    """Return a wrap that alters each complete answer of a server."""

    def wrap(respond: Responder) -> Responder:
        if isinstance(respond, _Altered):  # so that a reply is parsed only once
            return _Altered(respond.respond, (*respond.alters, alter))
        return _Altered(respond, (alter,))

    return wrap


@dataclass(frozen=True, slots=True)
class _Altered:
    """A server whose answers are altered by several alterations in order."""

    respond: Responder
    alters: tuple[Alter, ...]

    def __call__(self, request: Request) -> bytes:
        targets = [target.decode("latin-1") for target in _TARGET.findall(request.data)]
        replies = decode_replies(self.respond(request))
        # A malformed request has an answer, but no target.
        targets += [""] * (len(replies) - len(targets))
        return b"".join(
            self._alter(request, target, reply)
            for target, reply in zip(targets, replies, strict=False)
        )

    def _alter(self, request: Request, target: str, reply: Reply) -> bytes:
        for alter in self.alters:
            reply = alter(request, target, reply)
        return encode_reply(reply)


def chain(wraps: tuple[Wrap, ...]) -> Wrap:
    """Return a wrap that combines several, the last one outermost."""

    def wrap(respond: Responder) -> Responder:
        for each in wraps:
            respond = each(respond)
        return respond

    return wrap


@dataclass(frozen=True, slots=True)
class _PartlyWrapped:
    """A server that uses another one for some connections."""

    connections: Collection[int]
    one: Responder
    other: Responder

    def __call__(self, request: Request) -> bytes:
        return (self.one if request.connection in self.connections else self.other)(request)

    def reach(self, request: Request) -> None:
        """Call `reach` of the server for this connection, if it has that method."""
        if request.connection in self.connections and hasattr(self.one, "reach"):
            self.one.reach(request)


def only_at(connections: Collection[int], wrap: Wrap) -> Wrap:
    """Return a wrap that is active only for some connections of a run, counted from 0."""
    return lambda respond: _PartlyWrapped(connections, wrap(respond), respond)


def decode_replies(data: bytes) -> list[Reply]:
    """Parse the answers of a server of this package, whose heads state the body's length."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        _, status, reason = first.split(" ", 2)
        pairs = [line.split(": ", 1) for line in lines]
        reply = Reply(int(status), reason, tuple((name, value) for name, value in pairs), b"")
        length = int(reply.get("Content-Length") or 0)
        found.append(replace(reply, body=rest[:length]))
        data = rest[length:]
    return found


def encode_reply(reply: Reply) -> bytes:
    """Return the bytes of a reply."""
    first = f"HTTP/1.1 {reply.status} {reply.reason}"
    lines = (first, *(f"{name}: {value}" for name, value in reply.fields), "", "")
    return reply.before + "\r\n".join(lines).encode("latin-1") + reply.body


@dataclass(frozen=True, slots=True)
class Mark:
    """The values that a server sends to a phone to recognise it.

    `text` is a token of at least 64 bits, `number` a number of seconds, and `date` an HTTP date.
    """

    text: str
    number: int
    date: str

    def fill(self, text: str, host: str = "") -> str:
        """Replace {t}, {n}, {d} and {h} in a text by the token, number, date and host."""
        return text.format(t=self.text, n=self.number, d=self.date, h=host)


FIRST: Final = Mark("5f0c6b1e9a7d4c33b2e8f1a09d5576e4", 1_801, "Tue, 03 Feb 2026 04:05:06 GMT")
# A client might send back a single bit derived from a value. Some of these differ from each other
# in each bit of the number and in the parity of the length. In a bit of a digest, all eight are
# equal once in 128 times.
OTHERS: Final = (
    Mark("c41d88a2f36e4b07915c0de27a83fb16e90", 9_007, "Thu, 19 Mar 2026 23:59:58 GMT"),
    Mark("fd467f4d9c3f243e236037072d4f0d39d", 412, "Sun, 11 Jan 2026 17:38:41 GMT"),
    Mark("ef9598272d42e8121cb1f590154dbf556d", 54_326, "Fri, 26 Dec 2025 09:14:27 GMT"),
    Mark("dc6013344d2112fb2632d71b144d52a2", 7_250, "Thu, 30 Apr 2026 12:00:00 GMT"),
    Mark("1bab294434a2edab282943001c7bc0a", 33_585, "Sat, 21 Feb 2026 20:47:19 GMT"),
    Mark("706ea8e1d93b77ea7265a77b906c1790115", 2_996, "Mon, 08 Jul 2024 01:30:33 GMT"),
    Mark("c0310099b4c71e673b2185dcfda820fc", 16_148, "Wed, 06 May 2026 06:22:52 GMT"),
)


@dataclass(frozen=True, slots=True)
class HostilePair:
    """Wraps that make servers which differ from each other in `field`.

    - `first` always sends the same value.
    - `second` sends another value with each answer, so that a single bit of it differs eventually.
    - Each of `others` always sends the same value, for clients that keep the first one.
    - `is_common` says that many such pairs can be combined in one valid answer.
    - `is_timed` says that the servers differ in their speed, so that times may differ.
    """

    name: str
    field: str
    first: Wrap
    second: Wrap
    others: tuple[Wrap, ...] = ()
    is_common: bool = False
    is_timed: bool = False


def make_pair(
    name: str, field: str, make: Callable[[Mark], Alter], *, is_common: bool = False
) -> HostilePair:
    """Return the pair of the alterations that `make` returns for the marks."""
    alters = tuple(map(make, OTHERS))
    return HostilePair(
        name,
        field,
        alter_replies(make(FIRST)),
        _alter_in_turn(alters),
        tuple(map(alter_replies, alters)),
        is_common,
    )


def _alter_in_turn(alters: tuple[Alter, ...]) -> Wrap:
    """Return a wrap that applies the alterations to answers in turn."""

    def wrap(respond: Responder) -> Responder:
        turns = cycle(alters)

        def alter(request: Request, target: str, reply: Reply) -> Reply:
            return next(turns)(request, target, reply)

        return alter_replies(alter)(respond)

    return wrap
