"""What a capture shows, judged question by question: content, other traffic, segments, resets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from client_sim.lab.captures.evidence import KEPT, Evidence, Place, show_value
from client_sim.lab.captures.known import Known
from client_sim.lab.captures.requests import iterate_requests, list_fields
from client_sim.lab.captures.seen import READABLE, Capture, Conversation, State, list_talks
from client_sim.lab.oracles.canary import Sighting
from client_sim.lab.oracles.connections import find_breaches, is_one_record_each
from client_sim.lab.oracles.grammar import iterate_violations
from client_sim.lab.trace.observation import Observation

# What every host takes in one segment (RFC 9293 section 3.7.1), without the room of TCP options:
# a segment that has as much may be full, and the rest of its request be in the next.
_FULL: Final = 496
_HEAD: Final = 5  # bytes before each record of TLS


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the whole capture: `count` findings, of which the first are kept."""

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
    """A finding before it is known whether it is kept: where, why, and which bytes there."""

    place: Place
    explanation: str
    offset: int
    length: int


def show(where: str, explanation: str, data: bytes = b"") -> Case:
    """Return the case of all bytes of a place, or of none."""
    return Case(Place(where, data), explanation, 0, len(data))


def ask(
    name: str, asks: str, cases: int, found: Iterable[Case], *, personal: bool = False
) -> Question:
    """Ask a question; `found` is what there is against a good answer, however much that is."""
    source = iter(found)
    kept = tuple(
        each.place.evidence(each.explanation, each.offset, each.length, personal=personal)
        for each in islice(source, KEPT)
    )
    return Question(name, asks, cases, len(kept) + sum(1 for _ in source), kept)


Fault = tuple[str, int, int]
"""Why bytes are in no table, where they begin, how many they are."""


def find_violations(data: bytes, host: bytes | None) -> Iterator[Fault]:
    """Yield what a connection has that the request table has not.

    One violation at a time, where `lab run` lists them: captured bytes may be nothing else.
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
    """Check what can be read of connections against a table, of which `find` yields breaches."""
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
    """Say where known values stand, and how they are encoded."""
    found = [
        Case(place, _tell(sighting, personal), sighting.offset, len(sighting.data))
        for place in places
        for sighting in place.sightings
    ]
    found += _find_whole(capture, known)
    asks = "Is any known value of the owner to be found?"
    return ask("canaries", asks, len(places), found, personal=personal)


def judge_traffic(capture: Capture, *, personal: bool) -> Question:
    """Return all traffic that no poll has: other protocols, other datagrams, contradictions."""
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
            talk.where, f"{label}: the far end may have taken these bytes in place of others", data
        )
        for talk in capture.conversations
        for label, data in talk.odd
    ]
    cases = capture.frames or len(capture.conversations)
    return ask("traffic", "Is there no other traffic?", cases, found, personal=personal)


def judge_completeness(capture: Capture) -> Question:
    """Say what the capture lacks of its connections, and that it has a request at all."""
    found = [show(talk.where, gap) for talk in capture.conversations for gap in talk.gaps]
    if not any(talk.data for talk in capture.conversations):
        nothing = "there is no request in it: silence proves nothing"
        found.append(show("the capture", nothing))
    asks = "Does the capture have all of it?"
    return ask("complete", asks, len(capture.conversations), found)


def judge_encryption(capture: Capture) -> Question:
    """List the connections whose requests cannot be read."""
    sentence = "not judged: encrypted; give the keys by --keylog"
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
    """Find values too short to be searched for, where they are all that a field has."""
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
    found = (show(talk.where, said) for talk in talks if talk.is_reset)
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
            yield show(talk.where, said)
    if talk.state is State.DECRYPTED:
        ends = _ends(talk.data)
        lengths = [end - start for start, end in zip((0, *ends), ends, strict=False)]
        if not is_one_record_each(sizes, lengths):
            said = f"{len(lengths)} requests are not in one record of TLS each"
            yield show(talk.where, said)


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
