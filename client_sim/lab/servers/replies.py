"""Answers taken apart, so that a server can be made to say more, or other, than it does."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, Self

from client_sim.lab.trace.memory import Asked, Responder

_TARGET: Final = re.compile(rb"(?:^|\r\n\r\n)[A-Z]+ ([^ \r\n]+) HTTP/1\.1(?=\r\n)")
_HOST: Final = re.compile(rb"\r\n[Hh]ost: *([^\r]*)")

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: header fields in their order, the body as it is sent, bytes in front of it."""

    status: int
    reason: str
    fields: Fields
    body: bytes
    before: bytes = b""

    def get(self, name: str) -> str | None:
        """Return the first value of a field, or None."""
        wanted = name.lower()
        return next((value for known, value in self.fields if known.lower() == wanted), None)

    def put(self, *fields: tuple[str, str]) -> Self:
        """Return the answer with fields in place of those of the same names."""
        names = {name.lower() for name, _ in fields}
        kept = tuple(pair for pair in self.fields if pair[0].lower() not in names)
        return replace(self, fields=(*kept, *fields))

    def drop(self, *names: str) -> Self:
        """Return the answer without some fields."""
        unwanted = {name.lower() for name in names}
        kept = tuple(pair for pair in self.fields if pair[0].lower() not in unwanted)
        return replace(self, fields=kept)

    def with_body(self, body: bytes) -> Self:
        """Return the answer with another body and its length."""
        return replace(self.put(("Content-Length", str(len(body)))), body=body)


def refuse(status: int, *fields: tuple[str, str], body: bytes = b"") -> Reply:
    """Return an answer of another status, with these fields and its length."""
    told = (*fields, ("Content-Length", str(len(body))))
    return Reply(status, HTTPStatus(status).phrase, told, body)


def name_host(asked: Asked) -> str:
    """Return the host that was asked, as its line says."""
    found = _HOST.search(asked.data)
    return "" if found is None else found[1].decode("latin-1")


Alter = Callable[[Asked, str, Reply], Reply]
"""Returns what is said instead of a reply; the text is the request's target."""

Say = Callable[[Reply], Reply]
"""Returns what is said instead of a reply, whatever was asked."""

Wrap = Callable[[Responder], Responder]
"""Makes another server of a server."""


def always(say: Say) -> Alter:
    """Make the alteration of whatever is asked."""
    return lambda _asked, _target, reply: say(reply)


def alter_replies(alter: Alter) -> Wrap:
    """Make the wrap in which each whole answer of a server is altered."""

    def wrap(respond: Responder) -> Responder:
        if isinstance(respond, _Altered):  # so that a reply is taken apart once, however many are
            return _Altered(respond.respond, (*respond.alters, alter))
        return _Altered(respond, (alter,))

    return wrap


@dataclass(frozen=True, slots=True)
class _Altered:
    """A server whose answers are altered, one way after the other."""

    respond: Responder
    alters: tuple[Alter, ...]

    def __call__(self, asked: Asked) -> bytes:
        targets = [target.decode("latin-1") for target in _TARGET.findall(asked.data)]
        replies = decode_replies(self.respond(asked))
        # A malformed request is answered, too.
        targets += [""] * (len(replies) - len(targets))
        return b"".join(
            self._alter(asked, target, reply)
            for target, reply in zip(targets, replies, strict=False)
        )

    def _alter(self, asked: Asked, target: str, reply: Reply) -> bytes:
        for alter in self.alters:
            reply = alter(asked, target, reply)
        return encode_reply(reply)


def chain(wraps: tuple[Wrap, ...]) -> Wrap:
    """Make the wrap that is all of some, the last one outermost."""

    def wrap(respond: Responder) -> Responder:
        for each in wraps:
            respond = each(respond)
        return respond

    return wrap


class _Some:
    """A server that is another one for some connections."""

    def __init__(self, connections: Collection[int], one: Responder, other: Responder) -> None:
        self._connections = connections
        self._one = one
        self._other = other

    def __call__(self, asked: Asked) -> bytes:
        return (self._one if asked.connection in self._connections else self._other)(asked)

    def reach(self, asked: Asked) -> None:
        """Fail where the one that it is for this connection cannot be reached."""
        if asked.connection in self._connections and hasattr(self._one, "reach"):
            self._one.reach(asked)


def only_at(connections: Collection[int], wrap: Wrap) -> Wrap:
    """Make the wrap that is active on some connections of a run only, counted from 0."""
    return lambda respond: _Some(connections, wrap(respond), respond)


def decode_replies(data: bytes) -> list[Reply]:
    """Take apart what a server of this package says: each head states the body's length."""
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
