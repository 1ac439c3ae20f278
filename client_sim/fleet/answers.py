"""Splits the bytes of a connection into answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Final

import h11

from client_sim.device.answer import HEAD_LIMIT
from client_sim.fleet.answer_tree import BODY_LIMIT

_CACHED: Final = 4_096  # cached heads; a server's heads differ only in the date


@dataclass(frozen=True, slots=True)
class Head:
    """The relevant parts of a head.

    `length` is that of the body in bytes. `fault` is the reason why a phone refuses the head, or
    empty. `fields` are all header fields, by their names in lower case.
    """

    status: int
    length: int
    is_gzip: bool = False
    content_range: bytes = b""
    fault: str = ""
    fields: Mapping[bytes, bytes] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: its head, its raw body, and all its bytes."""

    head: Head
    body: bytes
    raw: bytes


@lru_cache(_CACHED)
def decode_head(data: bytes) -> Head:
    """Decode a head without its empty line; `fault` is set if FORMATS section 9 refuses it."""
    if len(data) > HEAD_LIMIT:
        return Head(0, 0, fault="a head is too long")
    machine = h11.Connection(h11.CLIENT)
    machine.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    machine.send(h11.EndOfMessage())
    try:
        machine.receive_data(data + b"\r\n\r\n")
        event = machine.next_event()
    except h11.RemoteProtocolError:
        return Head(0, 0, fault="an answer is not HTTP")
    if not isinstance(event, h11.Response) or event.http_version != b"1.1":
        return Head(0, 0, fault="an answer is not final, or not of HTTP/1.1")
    fields = dict(event.headers)
    # RFC 9112, section 6.3: a 304 has no body, whatever length it states.
    length = b"0" if event.status_code == 304 else fields.get(b"content-length", b"")
    coding = fields.get(b"content-encoding", b"")
    if not length.isdigit() or b"transfer-encoding" in fields:
        return Head(event.status_code, 0, fault="an answer states no length")
    if coding not in {b"", b"gzip"}:
        return Head(event.status_code, 0, fault="an answer has another coding than gzip")
    return Head(
        event.status_code,
        int(length),
        coding == b"gzip",
        fields.get(b"content-range", b""),
        fields=fields,
    )


_END: Final = b"\r\n\r\n"


class AnswerFault(Exception):  # noqa: N818 - a finding about a server
    """The received bytes are not an answer of this protocol; the message says why."""


def find_head(data: bytes, start: int = 0) -> tuple[Head, int] | None:
    """Return the head at offset `start` and the offset of its body, or None if incomplete.

    Raises AnswerFault for a head that a phone refuses.
    """
    end = data.find(_END, start)
    if end < 0:
        if len(data) - start > HEAD_LIMIT:
            raise AnswerFault("a head is too long")
        return None
    head = decode_head(data[start:end])
    if head.fault:
        raise AnswerFault(head.fault)
    return head, end + len(_END)


def cut_answers(data: bytes, count: int) -> list[Answer] | None:
    """Return the `count` answers in `data`, or None while they are incomplete.

    Raises AnswerFault if `data` cannot be exactly that many answers.
    """
    found = list(islice(read_answers(data), count))
    if len(found) < count:
        return None
    if sum(len(answer.raw) for answer in found) != len(data):
        raise AnswerFault("more bytes than the answers have")
    return found


def read_answers(data: bytes) -> Iterator[Answer]:
    """Yield the complete answers at the start of `data`; raises AnswerFault."""
    start = 0
    while (head := find_head(data, start)) is not None:
        facts, begin = head
        if facts.length > BODY_LIMIT:
            raise AnswerFault(f"a body of {facts.length} bytes")
        until = begin + facts.length
        if len(data) < until:
            return
        yield Answer(facts, data[begin:until], data[start:until])
        start = until
