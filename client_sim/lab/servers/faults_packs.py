"""Faults of public content: at the two roles, their proofs, and parts of packs.

No update waits for any of it: a phone continues with a warning, and asks for what it lacks again.
"""

import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import Final

from client_sim.lab.servers.fault import Fault, say_instead, send_instead
from client_sim.lab.servers.packs import encode_parts
from client_sim.lab.servers.replies import Reply
from client_sim.lab.trace.memory import Pieces

_FIRST: Final = 0  # the poll that asks for all of it
_PATIENCE: Final = 30.0
_BOTH_PROOFS: Final = ("the proof of tables", "the proof of content")
_PLACES: Final = ("content", *_BOTH_PROOFS, "parts of tables", "parts of content")


def _refuse(status: int) -> Callable[[Reply], Reply]:
    refused = Reply(status, HTTPStatus(status).phrase, (("Content-Length", "0"),), b"")
    return lambda _: refused


def _body(make: Callable[[bytes], bytes]) -> Callable[[Reply], Reply]:
    return lambda reply: reply.with_body(make(reply.body)) if reply.status == 200 else reply


def _plain(make: Callable[[bytes], bytes]) -> Callable[[Reply], Reply]:
    """Send another body in place of a compressed one, and do not compress it."""

    def say(reply: Reply) -> Reply:
        if reply.get("Content-Encoding") is None:
            return reply
        return reply.drop("Content-Encoding").with_body(make(gzip.decompress(reply.body)))

    return say


def _middle(data: bytes) -> bytes:
    head = data.index(b"\r\n\r\n") + 4
    return data[: head + (len(data) - head) // 2]


_SENDINGS: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    (
        "no answer in time",
        lambda _: Pieces(b"", [(_PATIENCE, 1)], error=TimeoutError("timed out")),
    ),
    (
        "a reset in the body",
        lambda data: Pieces(_middle(data), error=ConnectionResetError("reset")),
    ),
    ("a hang-up in place of an answer", lambda _: b""),
    ("a hang-up in the body", _middle),
    ("an answer after an hour", lambda data: Pieces(data, [(3_600.0, 1 << 20)])),
    ("bytes that are no HTTP", lambda _: bytes(range(256)) * 8),
)

_SAYINGS: Final[tuple[tuple[str, Callable[[Reply], Reply]], ...]] = (
    ("a coding that is not there", lambda reply: reply.put(("Content-Encoding", "gzip"))),
    ("a coding that was not asked for", lambda reply: reply.put(("Content-Encoding", "br"))),
    ("a length that is too long", lambda reply: reply.put(("Content-Length", "1000000"))),
    ("no length", lambda reply: reply.drop("Content-Length")),
    ("a place elsewhere", lambda reply: replace(reply.put(("Location", "/a")), status=302)),
    ("a part that was not asked for", lambda reply: replace(reply, status=206)),
    ("nothing to say", lambda reply: replace(reply, status=204)),
)


@cache
def _make_bomb() -> bytes:
    return lzma.compress(bytes(1 << 22), lzma.FORMAT_XZ, lzma.CHECK_CRC32)


_BYTES: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("an empty part", lambda _: b""),
    ("half a part", lambda part: part[: len(part) // 2]),
    ("a part and more", lambda part: part + b"more"),
    ("a part with one bit turned", lambda part: part[:-30] + bytes([part[-30] ^ 1]) + part[-29:]),
    ("a part of another kind", lambda _: encode_parts("apn", 1)[0]),
    ("a part of a later edition", lambda _: encode_parts("emergency", 99)[0]),
    ("a bomb", lambda _: _make_bomb()),
)

_METADATA: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("no JSON", lambda _: b"{"),
    ("an empty object", lambda _: b"{}"),
    ("JSON that is very deep", lambda _: b"[" * 100_000 + b"]" * 100_000),
    ("no signature", lambda body: _sign_with(body, [])),
    ("a stranger's signature", lambda body: _sign_with(body, [{"keyid": "0" * 64, "sig": "00"}])),
    ("another index than was signed", lambda body: body.replace(b"Known to", b"Said to", 1)),
)

_PROOFS: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("a proof that is none", lambda _: b"no proof\n"),
    ("a proof of another leaf", lambda body: body.replace(b"\nindex ", b"\nindex 1", 1)),
    ("a checkpoint of another log", lambda body: body.replace(b"log.hening", b"log.other")),
    ("a checkpoint with a wrong signature", lambda body: body[:-9] + b"AAAAAAA=\n"),
    ("a proof that is too long", lambda body: body + b"\xe2\x80\x94 a AAAAAAAA\n" * 2_000),
)


def _sign_with(body: bytes, signatures: list[dict[str, str]]) -> bytes:
    return json.dumps({**json.loads(body), "signatures": signatures}).encode()


PACKS: Final[tuple[Fault, ...]] = (
    *(
        Fault(f"{status}, at {place}", say_instead(place, _refuse(status)), poll=_FIRST)
        for status in (404, 410, 500)
        for place in _PLACES
    ),
    *(
        Fault(f"{name}, at {place}", send_instead(place, send), poll=_FIRST)
        for name, send in _SENDINGS
        for place in ("the proof of tables", "parts of tables")
    ),
    *(
        Fault(f"{name}, at parts of tables", say_instead("parts of tables", say), poll=_FIRST)
        for name, say in _SAYINGS
    ),
    *(
        Fault(name, say_instead("parts of tables", _body(change)), poll=_FIRST)
        for name, change in _BYTES
    ),
    *(
        Fault(f"{name}, as content", say_instead("content", _plain(change)), poll=_FIRST)
        for name, change in _METADATA
    ),
    *(
        Fault(f"{name}, at {place}", say_instead(place, _plain(change)), poll=_FIRST)
        for name, change in _PROOFS
        for place in _BOTH_PROOFS
    ),
)
