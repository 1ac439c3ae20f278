"""Pairs of servers with the same content that differ in something else (claim N3).

A server that wants to recognise a phone sends it a mark and waits for the mark to come back. The
two servers of a pair send different marks in the same way. A client must leave the same trace for
both; a poll may fail because of the mark, but then with both.

Pairs of heads are in `hostile_heads`. In bodies, an operator without the signers' keys can vary for
a single phone: the coding, white space and unknown members around the signed part, signatures by
unknown keys, ignored lines of a proof, and the text of an error.

After metadata a phone fetches packages, and parts of packs. The server chooses which parts arrive.
With four parts it can send any of fifteen incomplete sets, and recognise a phone by its later
requests. Therefore a phone must receive all missing parts of a role's version in one poll, or none
of them counts (ADR 57).
"""

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, product
from typing import Final

from client_sim.lab.servers.fault import (
    INSTALL_PLACES,
    BytesChange,
    change_bytes_at,
    change_reply_at,
    is_at,
)
from client_sim.lab.servers.faults_network import LOST_ANSWERS
from client_sim.lab.servers.hostile_heads import ANSWERS, FIELDS
from client_sim.lab.servers.packs import name_part
from client_sim.lab.servers.replies import (
    FIRST,
    Alter,
    HostilePair,
    Mark,
    Reply,
    ReplyChange,
    Wrap,
    always,
    chain,
    make_pair,
    refuse,
    rewrite_body,
)
from client_sim.lab.trace.memory import Pieces, Request, Responder

_EXTRA, _NAME, _COMMENT = 4, 8, 16  # flags of RFC 1952 section 2.3.1
# Status, field, value; {t} is a token, {n} a number of seconds, {d} a date.
_REFUSALS: Final = (
    (302, "Location", "/u/{t}/7.zip"),
    (307, "Location", "http://{t}.example.org/7.zip"),
    (503, "Retry-After", "{n}"),
    (429, "Retry-After", "{d}"),
    (401, "WWW-Authenticate", 'Digest realm="r", nonce="{t}"'),
    (416, "Content-Range", "bytes */{n}"),
    (304, "ETag", '"{t}"'),
)


def _recode(pack: Callable[[bytes], bytes]) -> Alter:
    """Return a change that compresses the bodies in another way."""

    def change(reply: Reply) -> Reply:
        if reply.get("Content-Encoding") != "gzip":
            return reply
        return reply.with_body(pack(gzip.decompress(reply.body)))

    return always(change)


def _level(mark: Mark) -> Alter:
    level = 1 if mark is FIRST else 9
    return _recode(lambda plain: gzip.compress(plain, level, mtime=0))


def _member(mark: Mark) -> Alter:
    """Set the optional fields of the gzip header: extra field, file name, time and comment."""
    text = mark.text.encode()
    head = b"\x1f\x8b\x08%c%s\x00\x03" % (
        _EXTRA | _NAME | _COMMENT,
        mark.number.to_bytes(4, "little"),
    )
    extra = b"hn" + len(text).to_bytes(2, "little") + text
    head += len(extra).to_bytes(2, "little") + extra + text + b"\x00" + text + b"\x00"

    def pack(plain: bytes) -> bytes:
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(plain) + packer.flush()
        tail = zlib.crc32(plain).to_bytes(4, "little") + len(plain).to_bytes(4, "little")
        return head + body + tail

    return _recode(pack)


def _blocks(mark: Mark) -> Alter:
    """Split the compressed stream into blocks by flushes."""
    size = 64 if mark is FIRST else 501

    def pack(plain: bytes) -> bytes:
        packer = zlib.compressobj(wbits=31)
        parts = [plain[at : at + size] for at in range(0, len(plain), size)]
        body = [packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH) for part in parts]
        return b"".join(body) + packer.flush()

    return _recode(pack)


def _uncoded(mark: Mark) -> Alter:
    """Send bodies uncompressed by one of the two servers."""
    return always((lambda reply: reply) if mark is FIRST else rewrite_body(lambda plain: plain))


def _rewrite(rewrite: Callable[[bytes], bytes], ends: tuple[str, ...]) -> Alter:
    """Rewrite the bodies of paths with these endings, compressed or not."""

    def alter(_request: Request, target: str, reply: Reply) -> Reply:
        if reply.status != 200 or not target.partition("?")[0].endswith(ends):
            return reply
        if reply.get("Content-Encoding") != "gzip":
            return reply.with_body(rewrite(reply.body))
        return reply.with_body(gzip.compress(rewrite(gzip.decompress(reply.body)), mtime=0))

    return alter


# Roles without a proof. The bytes of all other roles are in the log and cannot be changed.
_UNPROVEN: Final = ("/timestamp.json", ".snapshot.json", ".targets.json")


def _space(mark: Mark) -> Alter:
    gap = b" " if mark is FIRST else b"\n\t  "

    def rewrite(body: bytes) -> bytes:
        opened = body.replace(b'{"signatures":', b"{" + gap + b'"signatures"' + gap + b":", 1)
        return gap + opened + gap

    return _rewrite(rewrite, _UNPROVEN)


def _envelope(mark: Mark) -> Alter:
    extra = json.dumps({"hint": mark.text, "wait": mark.number}).encode()[1:-1] + b","
    return _rewrite(lambda body: body[:1] + extra + body[1:], _UNPROVEN)


def _strange_signature(mark: Mark) -> Alter:
    signature = {"keyid": mark.text, "sig": mark.text.encode().hex()}
    data = json.dumps(signature).encode() + b","
    return _rewrite(
        lambda body: body.replace(b'"signatures":[', b'"signatures":[' + data, 1), _UNPROVEN
    )


def _signature_member(mark: Mark) -> Alter:
    data = b'"hint":"%s",' % mark.text.encode()
    return _rewrite(lambda body: body.replace(b'"keyid":', data + b'"keyid":'), _UNPROVEN)


def _escapes(mark: Mark) -> Alter:
    """Escape a letter in a member's name, which gives the same JSON in other bytes."""
    escaped = b'"\\u0073ignatures"' if mark is FIRST else b'"si\\u0067natures"'
    return _rewrite(lambda body: body.replace(b'"signatures"', escaped, 1), _UNPROVEN)


def _witness(mark: Mark) -> Alter:
    """Add the signature of an unknown key to proofs, as a witness would."""
    line = "\u2014 " + mark.text + ".example " + "A" * 96 + "\n"
    change = rewrite_body(lambda body: body + line.encode())
    return lambda _request, target, reply: (
        change(reply) if target.startswith("/log/proof/") else reply
    )


def _missing_body(mark: Mark) -> Alter:
    body = json.dumps({"status": 404, "instance": f"/u/{mark.text}", "detail": mark.text}).encode()
    return always(lambda reply: reply.with_body(body) if reply.status == 404 else reply)


_Pieces = Sequence[tuple[float, int]]


def _split(*timings: _Pieces) -> Wrap:
    """Return a wrap in which answers arrive in pieces; the given ways are used in turn."""

    def wrap(respond: Responder) -> Responder:
        turns = cycle(timings)
        return lambda request: Pieces(respond(request), next(turns))

    return wrap


def _pair_pieces(
    name: str, first: _Pieces, others: Sequence[_Pieces], *, is_timed: bool = False
) -> HostilePair:
    return HostilePair(
        name,
        "pieces",
        _split(first),
        _split(*others),
        tuple(map(_split, others)),
        is_timed=is_timed,
    )


# Pieces of many sizes, odd and even numbers of them.
_SIZES: Final = _pair_pieces(
    "sizes of the pieces",
    [(0.0, 61)] * 200,
    ([(0.0, 977), (0.0, 1)] * 200, [(0.0, 128)] * 200, [(0.0, 1 << 20)], [(0.0, 300)] * 200),
)


# An answer takes two seconds in both cases, with other pauses; no time may differ.
_WAITS: Final = _pair_pieces(
    "times of the pieces", [(0.25, 16), (1.75, 1 << 20)], ([(1.5, 99), (0.5, 1 << 20)],)
)


# The total times differ in each bit from an eighth of a second to four seconds.
_LENGTHS: Final = _pair_pieces(
    "time of an answer",
    [(2.0, 1 << 20)],
    [[(0.125, 16), (seconds - 0.125, 1 << 20)] for seconds in (3.0, 0.625, 5.25, 4.5, 1.75, 7.875)],
    is_timed=True,
)


BODIES: Final[tuple[HostilePair, ...]] = (
    make_pair("level of compression", "gzip", _level),
    make_pair("names in gzip", "gzip", _member),
    make_pair("blocks of gzip", "gzip", _blocks),
    make_pair("compressed or not", "gzip", _uncoded),
    make_pair("white space around what is signed", "metadata", _space),
    make_pair("unknown members around what is signed", "metadata", _envelope),
    make_pair("a stranger's signature", "metadata", _strange_signature),
    make_pair("unknown members of signatures", "metadata", _signature_member),
    make_pair("escapes around what is signed", "metadata", _escapes),
    make_pair("a stranger's line in proofs", "proof", _witness),
    make_pair("text of what is not there", "body", _missing_body),
    _SIZES,
    _WAITS,
    _LENGTHS,
)

# As many fields as a phone accepts in one head; pairs that replace another's value come last.
_COMMON: Final = tuple(pair for pair in FIELDS if pair.is_common)
TOGETHER: Final = HostilePair(
    "all fields together",
    "all",
    chain(tuple(pair.first for pair in _COMMON)),
    chain(tuple(pair.second for pair in _COMMON)),
    tuple(map(chain, zip(*(pair.others for pair in _COMMON), strict=True))),
)
"""The pair in which all common fields differ together."""

HOSTILE: Final[tuple[HostilePair, ...]] = (*FIELDS, *ANSWERS, *BODIES, TOGETHER)


def _refuse(place: str, status: int, name: str, value: str) -> HostilePair:
    def make(mark: Mark) -> Alter:
        instead = refuse(status, (name, mark.fill(value)))
        return lambda _request, target, reply: instead if is_at(place, target) else reply

    return make_pair(f"{status} at {place}", name, make)


INSTALLING: Final[tuple[HostilePair, ...]] = (
    *(_refuse(place, *refusal) for refusal, place in product(_REFUSALS, INSTALL_PLACES)),
    *FIELDS,
)
"""Pairs that refuse an installation, and pairs whose fields are in all answers."""


def _reply_change(change: ReplyChange) -> Callable[[str], Wrap]:
    return lambda place: change_reply_at(place, change)


def _refusing(status: int, *fields: tuple[str, str]) -> Callable[[str], Wrap]:
    instead = refuse(status, *fields)
    return _reply_change(lambda _: instead)


def _bytes_change(change: BytesChange) -> Callable[[str], Wrap]:
    return lambda place: change_bytes_at(place, change)


def _without_length(reply: Reply) -> Reply:
    return replace(reply.drop("Content-Length"), body=reply.body[:-1])


_WITHHOLDINGS: Final[tuple[tuple[str, Callable[[str], Wrap]], ...]] = (
    ("404", _refusing(404)),
    ("wrong bytes", _reply_change(lambda reply: reply.with_body(reply.body[::-1]))),
    ("an answer cut short", _bytes_change(lambda data: data[:-20])),
    ("500", _refusing(500)),
    ("429 with a time to wait", _refusing(429, ("Retry-After", "7200"))),
    ("404 with a time to wait", _refusing(404, ("Retry-After", "7200"))),
    ("an empty part", _reply_change(lambda reply: reply.with_body(b""))),
    ("an older answer's validator", _refusing(304, ("ETag", '"a"'))),
    ("a reset", _bytes_change(LOST_ANSWERS["a reset in place of an answer"])),
    ("no answer", _bytes_change(LOST_ANSWERS["no answer in time"])),
    ("a part without its length", _reply_change(_without_length)),
)
"""The ways to withhold a part."""

WITHHOLDING_COUNT: Final = len(_WITHHOLDINGS)
"""The number of ways to withhold a part."""


def _pair(withholding: tuple[str, Callable[[str], Wrap]], one: str, other: str) -> HostilePair:
    name, make = withholding
    return HostilePair(f"{name}: {one}, or {other}", "part", make(one), make(other))


SMALL_PARTS: Final[tuple[HostilePair, ...]] = tuple(
    _pair(withholding, name_part("emergency", one), name_part("emergency", other))
    for one, other in ((0, 3), (1, 2), (2, 3))
    for withholding in _WITHHOLDINGS
)
"""Pairs for the only pack of `tables` in every repository: three pairs of parts in all ways."""

STOCKED_PARTS: Final[tuple[HostilePair, ...]] = tuple(
    _pair(withholding, one, other)
    for one, other in (
        (name_part("apn", 14), name_part("zones", 3)),
        (name_part("ca", 0), name_part("emergency", 1)),
        (name_part("greetings", 7), name_part("holidays", 2)),
        (name_part("features", 0), name_part("wallpapers", 0)),
    )
    for withholding in _WITHHOLDINGS[:3]
)
"""Pairs of parts of different kinds in a role, for repositories with every kind."""
