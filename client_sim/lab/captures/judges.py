"""Judges of a capture, one for each question: content, other traffic, segments, resets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from client_sim.lab.captures.capture import (
    READABLE,
    Capture,
    Conversation,
    State,
    list_conversations,
)
from client_sim.lab.captures.evidence import FINDINGS_LIMIT, Evidence, Place, show_value
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
    text: str
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


def make_case(where: str, explanation: str, data: bytes = b"") -> Case:
    """Return a case about all bytes of a place; there may be none."""
    return Case(Place(where, data), explanation, 0, len(data))


def make_question(
    name: str, text: str, cases: int, found: Iterable[Case], *, personal: bool = False
) -> Question:
    """Return a question with its findings; counts all of them and keeps the first."""
    source = iter(found)
    evidence = tuple(
        each.place.evidence(each.explanation, each.offset, each.length, personal=personal)
        for each in islice(source, FINDINGS_LIMIT)
    )
    return Question(name, text, cases, len(evidence) + sum(1 for _ in source), evidence)


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
    observation: Observation,
    find: Callable[[bytes], Iterator[Fault]],
    *,
    table: str,
    personal: bool,
) -> Question:
    """Find bytes of readable connections that a table does not allow; `find` yields them."""
    read = [
        connection
        for conversation, connection in zip(
            list_conversations(capture), observation.connections(), strict=True
        )
        if conversation.state is not State.ENCRYPTED
    ]
    found = (
        Case(Place(connection.phase, connection.data), *fault)
        for connection in read
        for fault in find(connection.data)
    )
    text = f"Is every byte in the {table}?"
    return make_question("grammar", text, len(read), found, personal=personal)


def judge_canaries(
    capture: Capture, places: Sequence[Place], known: Known, *, personal: bool
) -> Question:
    """Find known values of the owner, and how they are encoded."""
    found = [
        Case(place, _explain(sighting, personal), sighting.offset, len(sighting.data))
        for place in places
        for sighting in place.sightings
    ]
    found += _find_whole(capture, known)
    text = "Is no known value of the owner found?"
    return make_question("canaries", text, len(places), found, personal=personal)


def judge_traffic(capture: Capture, *, personal: bool) -> Question:
    """Find all traffic that no poll has: other protocols, other datagrams, contradictions."""
    found = [
        make_case(
            each.where or "the capture",
            f"{each.label}, {each.frames} times: nothing explains these {len(each.data)} bytes",
            each.data,
        )
        for each in capture.other_traffic
    ]
    found += [
        make_case(
            conversation.where,
            f"{label}: the server may have received these bytes instead of others",
            data,
        )
        for conversation in capture.conversations
        for label, data in conversation.contradictions
    ]
    cases = capture.frames or len(capture.conversations)
    return make_question("traffic", "Is there no other traffic?", cases, found, personal=personal)


def judge_completeness(capture: Capture) -> Question:
    """Find gaps in connections, and a capture without any request."""
    found = [
        make_case(conversation.where, gap)
        for conversation in capture.conversations
        for gap in conversation.gaps
    ]
    if not any(conversation.data for conversation in capture.conversations):
        nothing = "it contains no request, and silence proves nothing"
        found.append(make_case("the capture", nothing))
    text = "Is the capture complete?"
    return make_question("complete", text, len(capture.conversations), found)


def judge_encryption(capture: Capture) -> Question:
    """Find the connections whose requests cannot be read."""
    sentence = "not judged, because it is encrypted: give the keys with --keylog"
    found = [
        make_case(conversation.where, sentence)
        for conversation in capture.conversations
        if conversation.state is State.ENCRYPTED
    ]
    return make_question(
        "readable", "Can every request be read?", len(capture.conversations), found
    )


def _explain(sighting: Sighting, personal: bool) -> str:
    encoding = " → ".join(sighting.chain) or "it is"
    return f"{sighting.field} as {encoding}: {show_value(sighting.value, personal=personal)}"


def _find_whole(capture: Capture, known: Known) -> Iterator[Case]:
    """Find values that are too short for a search, if they are the whole value of a field."""
    short_values = {value: name for name, values in known.whole.items() for value in values}
    for conversation in capture.conversations:
        if not short_values or conversation.state not in READABLE:
            continue
        place = Place(conversation.where, conversation.data)
        for request in iterate_requests(conversation.data):
            for field in list_fields(request):
                if field.value in short_values and field.name not in {"method", "version"}:
                    explanation = f"{short_values[field.value]} as the whole of {field.name}"
                    yield Case(place, explanation, field.offset, len(field.value))


def judge_writes(capture: Capture, *, personal: bool) -> Question:
    """Find requests and TLS records that are split over segments although they would fit into one.

    Only captures of packets show segments. With TLS, the records are judged; with its keys, also
    whether each request is one record.
    """
    conversations = [
        conversation
        for conversation in list_conversations(capture)
        if conversation.segments and not conversation.gaps
    ]
    found = (case for conversation in conversations for case in _judge(conversation))
    text = "Is each request, and each TLS record, one segment if it fits?"
    return make_question("writes", text, len(conversations), found, personal=personal)


def judge_ends(capture: Capture) -> Question:
    """Find connections that the phone ended by a reset."""
    conversations = [
        conversation
        for conversation in list_conversations(capture)
        if conversation.closed is not None
    ]
    explanation = "the phone ends the connection by a reset (RST) instead of an orderly close (FIN)"
    found = (
        make_case(conversation.where, explanation)
        for conversation in conversations
        if conversation.is_reset
    )
    return make_question(
        "ends", "Does the phone close each connection in order?", len(conversations), found
    )


def _judge(conversation: Conversation) -> Iterator[Case]:
    if conversation.state is State.PLAIN:
        place = Place(conversation.where, conversation.data)
        ends = _ends(conversation.data)
        for breach in find_breaches(conversation.segments, ends, word="segment", full=_FULL):
            yield Case(place, breach.explanation, breach.offset, breach.length)
        return
    sizes = b"" if conversation.wire is None else conversation.wire.sizes
    ends = _record_ends(sizes)
    for breach in find_breaches(conversation.segments, ends, word="segment", full=_FULL):
        # At the end of a handshake a segment has more than one record.
        if breach.is_cut:
            explanation = "a TLS record is split: this segment ends in the middle of it"
            yield make_case(conversation.where, explanation)
    if conversation.state is State.DECRYPTED:
        ends = _ends(conversation.data)
        lengths = [end - start for start, end in zip((0, *ends), ends, strict=False)]
        if not is_one_record_each(sizes, lengths):
            explanation = f"{len(lengths)} requests are not one TLS record each"
            yield make_case(conversation.where, explanation)


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
