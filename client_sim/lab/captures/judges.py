"""Judges of a capture, one for each question: content, other traffic, segments, resets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from client_sim.lab.captures.capture import READABLE, Capture, Conversation, State, list_talks
from client_sim.lab.captures.evidence import KEPT, Evidence, Place, show_value
from client_sim.lab.captures.known_values import Known
from client_sim.lab.captures.requests import iterate_requests, list_fields
from client_sim.lab.oracles.canary import Sighting
from client_sim.lab.oracles.connections import find_breaches, is_one_record_each
from client_sim.lab.oracles.grammar import iterate_violations
from client_sim.lab.trace.observation import Observation

# Bytes that every host accepts in one segment (RFC 9293 section 3.7.1), less the room for TCP
# options. A segment of this size may be full, with the rest of its request in the next one.
_FULL: Final = 496
_HEAD: Final = 5  # bytes before each record of TLS


@dataclass(frozen=True, slots=True)
class Question:
    """One question about the whole capture; `evidence` has the first of `count` findings."""

    name: str
    asks: str
    cases: int
    count: int
    evidence: tuple[Evidence, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Case:
    """A possible finding: its place, its explanation, and the range of its bytes."""

    place: Place
    explanation: str
    offset: int
    length: int


def show(where: str, explanation: str, data: bytes = b"") -> Case:
    """Return a case about all bytes of a place; there may be none."""
    return Case(Place(where, data), explanation, 0, len(data))


def ask(
    name: str, asks: str, cases: int, found: Iterable[Case], *, personal: bool = False
) -> Question:
    """Return a question with its findings; counts all of them and keeps the first."""
    source = iter(found)
    kept = tuple(
        each.place.evidence(each.explanation, each.offset, each.length, personal=personal)
        for each in islice(source, KEPT)
    )
    return Question(name, asks, cases, len(kept) + sum(1 for _ in source), kept)


Fault = tuple[str, int, int]
"""Bytes that a table does not allow: the reason, their offset, and their length."""


def find_violations(data: bytes, host: bytes | None) -> Iterator[Fault]:
    """Yield everything in a connection that the request table does not allow.

    The violations are not listed first, because a capture may consist of nothing else.
    """
    for each in iterate_violations(data, host):
        yield f"{each.rule}: {each.explanation}", each.offset, len(each.data)


def judge_grammar(
    capture: Capture,
    seen: Observation,
    find: Callable[[bytes], Iterator[Fault]],
    *,
    table: str,
    personal: bool,
) -> Question:
    """Find bytes of readable connections that a table does not allow; `find` yields them."""
    read = [
        connection
        for talk, connection in zip(list_talks(capture), seen.connections(), strict=True)
        if talk.state is not State.ENCRYPTED
    ]
    found = (
        Case(Place(connection.phase, connection.data), *fault)
        for connection in read
        for fault in find(connection.data)
    )
    asks = f"Is every byte in the {table}?"
    return ask("grammar", asks, len(read), found, personal=personal)


def judge_canaries(
    capture: Capture, places: Sequence[Place], known: Known, *, personal: bool
) -> Question:
    """Find known values of the owner, and how they are encoded."""
    found = [
        Case(place, _tell(sighting, personal), sighting.offset, len(sighting.data))
        for place in places
        for sighting in place.sightings
    ]
    found += _find_whole(capture, known)
    asks = "Is no known value of the owner found?"
    return ask("canaries", asks, len(places), found, personal=personal)


def judge_traffic(capture: Capture, *, personal: bool) -> Question:
    """Find all traffic that no poll has: other protocols, other datagrams, contradictions."""
    found = [
        show(
            each.where or "the capture",
            f"{each.label}, {each.frames} times: nothing explains these {len(each.data)} bytes",
            each.data,
        )
        for each in capture.loose
    ]
    found += [
        show(
            talk.where, f"{label}: the server may have received these bytes instead of others", data
        )
        for talk in capture.conversations
        for label, data in talk.odd
    ]
    cases = capture.frames or len(capture.conversations)
    return ask("traffic", "Is there no other traffic?", cases, found, personal=personal)


def judge_completeness(capture: Capture) -> Question:
    """Find gaps in connections, and a capture without any request."""
    found = [show(talk.where, gap) for talk in capture.conversations for gap in talk.gaps]
    if not any(talk.data for talk in capture.conversations):
        nothing = "it contains no request, and silence proves nothing"
        found.append(show("the capture", nothing))
    asks = "Is the capture complete?"
    return ask("complete", asks, len(capture.conversations), found)


def judge_encryption(capture: Capture) -> Question:
    """Find the connections whose requests cannot be read."""
    sentence = "not judged, because it is encrypted: give the keys with --keylog"
    found = [
        show(talk.where, sentence)
        for talk in capture.conversations
        if talk.state is State.ENCRYPTED
    ]
    return ask("readable", "Can every request be read?", len(capture.conversations), found)


def _tell(sighting: Sighting, personal: bool) -> str:
    dressed = " → ".join(sighting.chain) or "it is"
    return f"{sighting.field} as {dressed}: {show_value(sighting.value, personal=personal)}"


def _find_whole(capture: Capture, known: Known) -> Iterator[Case]:
    """Find values that are too short for a search, if they are the whole value of a field."""
    wanted = {value: name for name, values in known.whole.items() for value in values}
    for talk in capture.conversations:
        if not wanted or talk.state not in READABLE:
            continue
        place = Place(talk.where, talk.data)
        for request in iterate_requests(talk.data):
            for field in list_fields(request):
                if field.value in wanted and field.name not in {"method", "version"}:
                    said = f"{wanted[field.value]} as the whole of {field.name}"
                    yield Case(place, said, field.offset, len(field.value))


def judge_writes(capture: Capture, *, personal: bool) -> Question:
    """Find requests and TLS records that are split over segments although they would fit into one.

    Only captures of packets show segments. With TLS, the records are judged; with its keys, also
    whether each request is one record.
    """
    talks = [talk for talk in list_talks(capture) if talk.segments and not talk.gaps]
    found = (case for talk in talks for case in _judge(talk))
    asks = "Is each request, and each TLS record, one segment if it fits?"
    return ask("writes", asks, len(talks), found, personal=personal)


def judge_ends(capture: Capture) -> Question:
    """Find connections that the phone ended by a reset."""
    talks = [talk for talk in list_talks(capture) if talk.closed is not None]
    said = "the phone ends the connection by a reset (RST) instead of an orderly close (FIN)"
    found = (show(talk.where, said) for talk in talks if talk.is_reset)
    return ask("ends", "Does the phone close each connection in order?", len(talks), found)


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
        # At the end of a handshake a segment has more than one record.
        if breach.is_cut:
            said = "a TLS record is split: this segment ends in the middle of it"
            yield show(talk.where, said)
    if talk.state is State.DECRYPTED:
        ends = _ends(talk.data)
        lengths = [end - start for start, end in zip((0, *ends), ends, strict=False)]
        if not is_one_record_each(sizes, lengths):
            said = f"{len(lengths)} requests are not one TLS record each"
            yield show(talk.where, said)


def _ends(data: bytes) -> tuple[int, ...]:
    """Return the end of each request with its body, and of the bytes after the last request."""
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
