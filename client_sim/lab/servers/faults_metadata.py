"""Faults of signed files and of public content, and the list of all faults.

A phone must continue to poll as usual. It may detect the fault and end a poll early, but must not
send other requests, repeat requests, or poll at another time. When the fault is over, it recovers.
A fault of public content does not block an update: the phone continues with a warning, and requests
the missing content again.
"""

import json
import lzma
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Final

from client_sim.lab.servers.contents import one_by_one
from client_sim.lab.servers.fault import (
    PLACES,
    Fault,
    change_reply_at,
    find_target,
    list_byte_faults,
    list_reply_faults,
    respond_instead,
)
from client_sim.lab.servers.faults_network import (
    ANSWERS,
    LOST_ANSWERS,
    NETWORK,
    OTHER_BYTES,
    WRONG_REPLIES,
    set_field,
)
from client_sim.lab.servers.packs import encode_parts
from client_sim.lab.servers.replies import ReplyChange, Wrap, refuse, rewrite_body
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Request, Responder

Rewrite = Callable[[bytes], bytes]
"""Returns another body, given the uncompressed original."""

_DAY: Final = 86_400
_DEEP: Final = 100_000


def _flip_signature(body: bytes) -> bytes:
    """Change one digit of the first signature."""
    at = body.index(b'"sig":"') + 7
    return body[:at] + (b"0" if body[at : at + 1] != b"0" else b"1") + body[at + 1 :]


def _edit(**members: object) -> Rewrite:
    """Return a change of members of the signed part, which is not signed again."""

    def rewrite(body: bytes) -> bytes:
        document = json.loads(body)
        document["signed"].update(members)
        return json.dumps(document, separators=(",", ":")).encode()

    return rewrite


_BODIES: Final[dict[str, Rewrite]] = {
    "no JSON": lambda _: b"{",
    "JSON of another kind": lambda _: b"[1,2,3]",
    "an empty object": lambda _: b"{}",
    "nothing but null": lambda _: b"null",
    "JSON that is very deep": lambda _: b"[" * _DEEP + b"]" * _DEEP,
    "a signed part that is very deep": lambda _: b'{"signatures":[],"signed":' + b'{"a":' * 5_000,
    "bytes that are no text": lambda body: b"\xff\xfe" + body,
    "a number beyond all": lambda body: re.sub(rb'"version":\d+}}$', b'"version":1e999}}', body),
    "not a number": lambda body: re.sub(rb'"version":\d+}}$', b'"version":NaN}}', body),
    "no signature": lambda body: re.sub(rb'"signatures":\[.*?\]', b'"signatures":[]', body),
    "a wrong signature": _flip_signature,
    "another version than was signed": _edit(version=999),
    "another expiry than was signed": _edit(expires="2099-01-01T00:00:00Z"),
    "an expiry that is no date": _edit(expires="soon"),
    "another type": _edit(_type="mirrors"),
}


def _change_line(place: int, text: bytes) -> Rewrite:
    def rewrite(body: bytes) -> bytes:
        lines = body.split(b"\n")
        lines[place] = text
        return b"\n".join(lines)

    return rewrite


_PROOFS: Final[dict[str, Rewrite]] = {
    "a proof that is none": lambda _: b"no proof\n",
    "a proof of another format": _change_line(0, b"c2sp.org/tlog-proof@v9"),
    "a proof of another leaf": _change_line(1, b"index 0"),
    "a proof beyond the tree": _change_line(1, b"index 9007199254740991"),
    "a proof with a wrong hash": _change_line(2, b"A" * 43 + b"="),
    "a proof without a hash": lambda body: re.sub(
        rb"\n[A-Za-z0-9+/]{43}=(?=\n)", b"", body, count=1
    ),
    "a checkpoint of another size": lambda body: re.sub(rb"\n\d+\n", b"\n1\n", body),
    "a checkpoint with a wrong signature": lambda body: body[:-9] + b"AAAAAAA=\n",
    "a checkpoint of another log": lambda body: body.replace(b"log.hening", b"log.other"),
    "a checkpoint without a signature": lambda body: body[: body.rindex("\u2014".encode())],
    "a proof that is too long": lambda body: body + b"\xe2\x80\x94 a AAAAAAAA\n" * 2_000,
}

METADATA: Final[tuple[Fault, ...]] = (
    *(
        Fault(f"{name}, as {place}", change_reply_at(place, rewrite_body(rewrite)))
        for (name, rewrite), place in product(
            _BODIES.items(), ("root", "timestamp", "snapshot", "targets", "latest", "tables")
        )
    ),
    *(
        Fault(name, change_reply_at("proof", rewrite_body(rewrite)))
        for name, rewrite in _PROOFS.items()
    ),
)


def _make_signed_faults(repository: Repository) -> tuple[Fault, ...]:
    """Return the faults that need signatures: outdated, foreign and expired metadata."""
    stranger = Repository(b"a stranger's repository")
    signed = [place for place in PLACES if place != "root"]
    return (
        *(Fault(f"the first {place} again", _take_from(place, repository)) for place in signed),
        *(Fault(f"a stranger's {place}", _take_from(place, stranger)) for place in signed),
        Fault("a stranger's next root", _take_root(stranger)),
        Fault("a whole stranger", lambda _: _serve_alone(stranger)),
        Fault("everything as at first", lambda _: _serve_alone(repository)),
        Fault("an expired timestamp", _shift_time("timestamp", -3 * _DAY)),
        Fault("a snapshot in place of the timestamp", _swap("timestamp", "snapshot")),
        Fault("tables in place of latest", _swap("latest", "tables")),
        Fault("targets in place of latest", _swap("latest", "targets")),
        Fault("latest in place of targets", _swap("targets", "latest")),
        Fault("the proof of the tables", _swap("proof", "tables-proof")),
    )


def _serve_alone(repository: Repository) -> Responder:
    """Serve every request as the first connection, without later publications."""
    serve = repository.serve()
    return lambda request: serve(replace(request, connection=0))


def _take_from(place: str, repository: Repository) -> Wrap:
    """Return a wrap in which one answer is the first version of another run or repository."""

    def wrap(respond: Responder) -> Responder:
        other = _serve_alone(repository)

        def take(respond: Responder, request: Request) -> bytes:
            respond(request)  # so that due publications become public
            first = re.sub(r"(/|latest\.)[0-9]+(?=\.|$)", r"\g<1>1", find_target(request))
            return other(_with_target(first, request))

        return respond_instead(place, take)(respond)

    return wrap


def _take_root(repository: Repository) -> Wrap:
    """Return a wrap in which the next root is a foreign one of the same version."""

    def wrap(respond: Responder) -> Responder:
        other = repository.serve([replace(each, connection=0) for each in one_by_one()])
        return respond_instead("root", lambda _, request: other(request))(respond)

    return wrap


def _shift_time(place: str, seconds: float) -> Wrap:
    """Return a wrap in which one answer is signed at another time, with the next version."""
    return respond_instead(
        place, lambda respond, request: respond(replace(request, now=request.now + seconds))
    )


def _swap(place: str, other: str) -> Wrap:
    """Return a wrap in which one answer is that of another request in the same run."""
    target = "/log/proof/tables.1" if place == "proof" else f"/metadata/1.{other}.json"
    return respond_instead(place, lambda respond, request: respond(_with_target(target, request)))


def _with_target(target: str, request: Request) -> Request:
    _, _, rest = request.data.partition(b"\r\n")
    return replace(request, data=f"GET {target} HTTP/1.1\r\n".encode() + rest)


def _refuse(status: int) -> ReplyChange:
    refused = refuse(status)
    return lambda _: refused


@cache
def _make_bomb() -> bytes:
    return lzma.compress(bytes(1 << 22), lzma.FORMAT_XZ, lzma.CHECK_CRC32)


def _sign_with(*signatures: dict[str, str]) -> Rewrite:
    return lambda body: json.dumps({**json.loads(body), "signatures": signatures}).encode()


_FIRST: Final = 0  # the poll that requests all public content
_BOTH_PROOFS: Final = ("the proof of tables", "the proof of content")
_PARTS: Final = "parts of tables"
_PART_REPLIES: Final[dict[str, ReplyChange]] = {
    "a coding that is not there": set_field("Content-Encoding", "gzip"),
    **{
        name: WRONG_REPLIES[name]
        for name in (
            *("a coding that was not asked for", "a length that is too long", "no length"),
            *("a part that was not asked for", "nothing to say"),
        )
    },
    "a place elsewhere": lambda reply: replace(reply.put(("Location", "/a")), status=302),
}
_LATE_OR_NONE: Final = (
    *("no answer in time", "a reset in the body", "a hang-up in place of an answer"),
    *("a hang-up in the body", "an answer after an hour"),
)
_BYTES: Final[dict[str, Rewrite]] = {
    "an empty part": lambda _: b"",
    "half a part": lambda part: part[: len(part) // 2],
    "a part and more": lambda part: part + b"more",
    "a part with one bit turned": lambda part: part[:-30] + bytes([part[-30] ^ 1]) + part[-29:],
    "a part of another kind": lambda _: encode_parts("apn", 1)[0],
    "a part of a later edition": lambda _: encode_parts("emergency", 99)[0],
    "a bomb": lambda _: _make_bomb(),
}
_CONTENT_BODIES: Final[dict[str, Rewrite]] = {
    **{name: _BODIES[name] for name in ("no JSON", "an empty object", "JSON that is very deep")},
    "no signature": _sign_with(),
    "a stranger's signature": _sign_with({"keyid": "0" * 64, "sig": "00"}),
    "another index than was signed": lambda body: body.replace(b"Known to", b"Said to", 1),
}
_PROOF_BODIES: Final[dict[str, Rewrite]] = {
    **{
        name: _PROOFS[name]
        for name in (
            *("a proof that is none", "a checkpoint of another log", "a proof that is too long"),
            "a checkpoint with a wrong signature",
        )
    },
    "a proof of another leaf": lambda body: body.replace(b"\nindex ", b"\nindex 1", 1),
}

PACKS: Final[tuple[Fault, ...]] = (
    *list_reply_faults(
        {f"{status}": _refuse(status) for status in (404, 410, 500)},
        ("content", *_BOTH_PROOFS, _PARTS, "parts of content"),
        poll=_FIRST,
    ),
    *list_byte_faults(
        {
            name: (LOST_ANSWERS | OTHER_BYTES)[name]
            for name in (*_LATE_OR_NONE, "bytes that are no HTTP")
        },
        ("the proof of tables", _PARTS),
        poll=_FIRST,
    ),
    *list_reply_faults(_PART_REPLIES, (_PARTS,), poll=_FIRST),
    *(
        Fault(name, change_reply_at(_PARTS, rewrite_body(change)), poll=_FIRST)
        for name, change in _BYTES.items()
    ),
    *(
        Fault(f"{name}, as content", change_reply_at("content", rewrite_body(change)), poll=_FIRST)
        for name, change in _CONTENT_BODIES.items()
    ),
    *list_reply_faults(
        {name: rewrite_body(change) for name, change in _PROOF_BODIES.items()},
        _BOTH_PROOFS,
        poll=_FIRST,
    ),
)


def make_faults(repository: Repository) -> tuple[Fault, ...]:
    """Return all faults; for some, the repository signs metadata that it should not sign."""
    return (*NETWORK, *ANSWERS, *METADATA, *PACKS, *_make_signed_faults(repository))
