"""How requests were put on the network and connections ended, judged: segments, records, resets."""

from collections.abc import Iterator
from typing import Final

from client_sim.lab.captures.evidence import Place
from client_sim.lab.captures.observing import list_talks
from client_sim.lab.captures.question import Case, Question, ask
from client_sim.lab.captures.requests import iterate_requests
from client_sim.lab.captures.seen import Capture, Conversation, State
from client_sim.lab.oracles.writes import find_breaches, is_one_record_each

# What every host takes in one segment (RFC 9293 section 3.7.1), without the room of TCP options:
# a segment that has as much may be full, and the rest of its request be in the next.
_FULL: Final = 496
_HEAD: Final = 5  # bytes before each record of TLS


def judge_writes(capture: Capture, *, personal: bool) -> Question:
    """Find requests, and records of TLS, that are not in one segment each though they would fit.

    Only captures of packets say so. Of what is under TLS the records are judged, and with its keys
    that there is one for each request, too.
    """
    talks = [talk for talk in list_talks(capture) if talk.segments and not talk.gaps]
    found = (case for talk in talks for case in _judge(talk))
    asks = "Is each request, and each record of TLS, one segment where it fits?"
    return ask("writes", asks, len(talks), found, personal=personal)


def judge_ends(capture: Capture) -> Question:
    """Find connections that the phone ended by a reset."""
    talks = [talk for talk in list_talks(capture) if talk.closed is not None]
    said = "the phone ends the connection by a reset (RST), where an end in order (FIN) belongs"
    found = (Case(Place(talk.where, b""), said, 0, 0) for talk in talks if talk.is_reset)
    return ask("ends", "Does the phone end each connection in order?", len(talks), found)


def _judge(talk: Conversation) -> Iterator[Case]:
    if talk.state is State.PLAIN:
        place = Place(talk.where, talk.data)
        ends = _ends(talk.data)
        for breach in find_breaches(talk.segments, ends, word="segment", full=_FULL):
            yield Case(place, breach.explanation, breach.offset, breach.length)
        return
    sizes = b"" if talk.wire is None else talk.wire.sizes
    ends = _record_ends(sizes)
    for breach in find_breaches(talk.segments, ends, word="segment", full=_FULL):
        # More than one record in a segment is how a handshake ends.
        if breach.is_cut:
            said = "a record of TLS is cut: this segment ends in the midst of it"
            yield Case(Place(talk.where, b""), said, 0, 0)
    if talk.state is State.DECRYPTED:
        ends = _ends(talk.data)
        lengths = [end - start for start, end in zip((0, *ends), ends, strict=False)]
        if not is_one_record_each(sizes, lengths):
            said = f"{len(lengths)} requests are not in one record of TLS each"
            yield Case(Place(talk.where, b""), said, 0, 0)


def _ends(data: bytes) -> tuple[int, ...]:
    """Return where each request ends with its body, and what follows the last as one more."""
    ends = [request.end for request in iterate_requests(data)]
    if data and (not ends or ends[-1] < len(data)):
        ends.append(len(data))
    return tuple(ends)


def _record_ends(sizes: bytes) -> tuple[int, ...]:
    ends: list[int] = []
    for each in sizes.split():
        kind, _, size = each.partition(b":")
        head = 0 if kind == b"rest" else _HEAD
        ends.append((ends[-1] if ends else 0) + head + int(size or kind))
    return tuple(ends)
