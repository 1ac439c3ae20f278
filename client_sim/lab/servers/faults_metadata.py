"""Faults of signed files: bytes that are no metadata, wrong signatures, outdated versions."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from client_sim.lab.servers.contents import one_by_one
from client_sim.lab.servers.fault import PLACES, Fault, is_at, say_instead
from client_sim.lab.servers.replies import Reply, Wrap
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Asked, Responder

_DAY: Final = 86_400
_ROLES: Final = ("timestamp", "snapshot", "targets", "latest", "tables")
_DEEP: Final = 100_000


def _rewrite(rewrite: Callable[[bytes], bytes]) -> Callable[[Reply], Reply]:
    """Send another body in place of the one that was found; a missing one stays missing."""

    def say(reply: Reply) -> Reply:
        if reply.status != 200:
            return reply
        plain = gzip.decompress(reply.body) if reply.get("Content-Encoding") else reply.body
        return reply.drop("Content-Encoding").with_body(rewrite(plain))

    return say


def _flip_signature(body: bytes) -> bytes:
    """Change one digit of the first signature."""
    at = body.index(b'"sig":"') + 7
    return body[:at] + (b"0" if body[at : at + 1] != b"0" else b"1") + body[at + 1 :]


def _edit(edit: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    """Edit the signed part without signing it again."""

    def rewrite(body: bytes) -> bytes:
        document = json.loads(body)
        edit(document["signed"])
        return json.dumps(document, separators=(",", ":")).encode()

    return rewrite


_BODIES: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("no JSON", lambda _: b"{"),
    ("JSON of another kind", lambda _: b"[1,2,3]"),
    ("an empty object", lambda _: b"{}"),
    ("nothing but null", lambda _: b"null"),
    ("JSON that is very deep", lambda _: b"[" * _DEEP + b"]" * _DEEP),
    ("a signed part that is very deep", lambda _: b'{"signatures":[],"signed":' + b'{"a":' * 5_000),
    ("bytes that are no text", lambda body: b"\xff\xfe" + body),
    ("a number beyond all", lambda body: re.sub(rb'"version":\d+}}$', b'"version":1e999}}', body)),
    ("not a number", lambda body: re.sub(rb'"version":\d+}}$', b'"version":NaN}}', body)),
    ("no signature", lambda body: re.sub(rb'"signatures":\[.*?\]', b'"signatures":[]', body)),
    ("a wrong signature", _flip_signature),
    ("another version than was signed", _edit(lambda signed: signed.update(version=999))),
    (
        "another expiry than was signed",
        _edit(lambda signed: signed.update(expires="2099-01-01T00:00:00Z")),
    ),
    ("an expiry that is no date", _edit(lambda signed: signed.update(expires="soon"))),
    ("another type", _edit(lambda signed: signed.update(_type="mirrors"))),
)


def _change_line(place: int, text: bytes) -> Callable[[bytes], bytes]:
    def rewrite(body: bytes) -> bytes:
        lines = body.split(b"\n")
        lines[place] = text or lines[place][::-1]
        return b"\n".join(lines)

    return rewrite


_PROOFS: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("a proof that is none", lambda _: b"no proof\n"),
    ("a proof of another format", _change_line(0, b"c2sp.org/tlog-proof@v9")),
    ("a proof of another leaf", _change_line(1, b"index 0")),
    ("a proof beyond the tree", _change_line(1, b"index 9007199254740991")),
    ("a proof with a wrong hash", _change_line(2, b"A" * 43 + b"=")),
    (
        "a proof without a hash",
        lambda body: re.sub(rb"\n[A-Za-z0-9+/]{43}=(?=\n)", b"", body, count=1),
    ),
    ("a checkpoint of another size", lambda body: re.sub(rb"\n\d+\n", b"\n1\n", body)),
    ("a checkpoint with a wrong signature", lambda body: body[:-9] + b"AAAAAAA=\n"),
    ("a checkpoint of another log", lambda body: body.replace(b"log.hening", b"log.other")),
    ("a checkpoint without a signature", lambda body: body[: body.rindex("\u2014".encode())]),
    ("a proof that is too long", lambda body: body + b"\xe2\x80\x94 a AAAAAAAA\n" * 2_000),
)

METADATA: Final[tuple[Fault, ...]] = (
    *(
        Fault(f"{name}, as {place}", say_instead(place, _rewrite(rewrite)))
        for name, rewrite in _BODIES
        for place in ("root", *_ROLES)
    ),
    *(Fault(name, say_instead("proof", _rewrite(rewrite))) for name, rewrite in _PROOFS),
)


def make_signed_faults(repository: Repository) -> tuple[Fault, ...]:
    """Return the faults that take signatures: outdated, foreign and expired metadata."""
    stranger = Repository(b"a stranger's repository")
    fresh = {place: _take_from(place, repository) for place in PLACES}
    return (
        *(
            Fault(f"the first {place} again", take)
            for place, take in fresh.items()
            if place != "root"
        ),
        *(
            Fault(f"a stranger's {place}", _take_from(place, stranger))
            for place in PLACES
            if place != "root"
        ),
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
    """Serve as to a phone that comes for the first time, without what was published since."""
    serve = repository.serve()

    def respond(asked: Asked) -> bytes:
        return serve(replace(asked, connection=0))

    return respond


def _take_from(place: str, repository: Repository) -> Wrap:
    """Make the wrap in which one answer is the first version of another run or repository."""

    def wrap(respond: Responder) -> Responder:
        other = _serve_alone(repository)

        def mixed(asked: Asked) -> bytes:
            data = respond(asked)
            target = _target_of(asked)
            if not is_at(place, target):
                return data
            first = re.sub(r"(/|latest\.)[0-9]+(?=\.|$)", r"\g<1>1", target)
            return other(replace(asked, data=_ask_for(first, asked)))

        return mixed

    return wrap


def _take_root(repository: Repository) -> Wrap:
    """Make the wrap in which the next root is a foreign one of the same version."""

    def wrap(respond: Responder) -> Responder:
        other = repository.serve([replace(each, connection=0) for each in one_by_one()])

        def mixed(asked: Asked) -> bytes:
            is_root = is_at("root", _target_of(asked))
            return (other if is_root else respond)(asked)

        return mixed

    return wrap


def _shift_time(place: str, seconds: float) -> Wrap:
    """Make the wrap in which one answer is signed at another time, under the next version."""

    def wrap(respond: Responder) -> Responder:
        def shifted(asked: Asked) -> bytes:
            is_here = is_at(place, _target_of(asked))
            return respond(replace(asked, now=asked.now + seconds) if is_here else asked)

        return shifted

    return wrap


def _swap(place: str, other: str) -> Wrap:
    """Make the wrap in which one answer is that to another question of the same run."""

    def wrap(respond: Responder) -> Responder:
        def swapped(asked: Asked) -> bytes:
            if not is_at(place, _target_of(asked)):
                return respond(asked)
            target = "/log/proof/tables.1" if place == "proof" else f"/metadata/1.{other}.json"
            return respond(replace(asked, data=_ask_for(target, asked)))

        return swapped

    return wrap


def _target_of(asked: Asked) -> str:
    match = re.match(rb"[A-Z]+ ([^ ?\r\n]+)", asked.data)
    return "" if match is None else match[1].decode("latin-1")


def _ask_for(target: str, asked: Asked) -> bytes:
    _, _, rest = asked.data.partition(b"\r\n")
    return f"GET {target} HTTP/1.1\r\n".encode() + rest
