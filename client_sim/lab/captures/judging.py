"""What a capture shows, judged question by question."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from client_sim.lab.captures.evidence import KEPT, Evidence, Place
from client_sim.lab.captures.known import Known
from client_sim.lab.captures.redaction import show_value
from client_sim.lab.captures.requests import list_fields, split_requests
from client_sim.lab.captures.seen import Capture, Conversation, State
from client_sim.lab.oracles.canary import Sighting
from client_sim.lab.oracles.grammar import iterate_violations

READABLE: Final = frozenset({State.PLAIN, State.DECRYPTED})


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
class _Case:
    place: Place
    explanation: str
    offset: int
    length: int


def _ask(
    name: str, asks: str, cases: int, found: Iterable[_Case], *, personal: bool = False
) -> Question:
    source = iter(found)
    kept = tuple(
        each.place.evidence(each.explanation, each.offset, each.length, personal=personal)
        for each in islice(source, KEPT)
    )
    return Question(name, asks, cases, len(kept) + sum(1 for _ in source), kept)


def judge_grammar(capture: Capture, host: bytes | None, *, personal: bool) -> Question:
    """Hold all that can be read of connections against the request table."""
    talks = [t for t in capture.conversations if t.state in READABLE or t.state is State.SILENT]
    found = (
        _Case(
            Place(talk.where, talk.octets),
            f"{violation.rule}: {violation.explanation}",
            violation.offset,
            len(violation.octets),
        )
        for talk in talks
        for violation in iterate_violations(talk.octets, host)
    )
    asks = "Is every octet in the request table?"
    return _ask("grammar", asks, len(talks), found, personal=personal)


def judge_canaries(
    capture: Capture, places: Sequence[Place], known: Known, *, personal: bool
) -> Question:
    """Say where known values stand, and how they are dressed."""
    found = [
        _Case(place, _tell(sighting, personal), sighting.offset, len(sighting.octets))
        for place in places
        for sighting in place.sightings
    ]
    found += _find_whole(capture, known)
    asks = "Is any known value of the owner to be found?"
    return _ask("canaries", asks, len(places), found, personal=personal)


def judge_egress(capture: Capture, host: bytes | None, *, personal: bool) -> Question:
    """Find names that were asked for and hosts that were contacted, other than the one."""
    name = None if host is None else _without_port(host)
    found = (*_stray_names(capture, name), *_stray_hosts(capture, name))
    asks = "Is the one host all that is asked for and contacted?"
    cases = len(capture.asked) + len(capture.conversations)
    return _ask("egress", asks, cases, found, personal=personal)


def judge_traffic(capture: Capture, *, personal: bool) -> Question:
    """Give all traffic that no poll has: other protocols, other datagrams, contradictions."""
    found = [
        _Case(
            Place(each.where or "the capture", each.octets),
            f"{each.label}, {each.frames} times: nothing explains these {len(each.octets)} octets",
            0,
            len(each.octets),
        )
        for each in capture.loose
    ]
    found += [
        _Case(
            Place(talk.where, octets),
            f"{label}: the far end may have taken these octets in place of others",
            0,
            len(octets),
        )
        for talk in capture.conversations
        for label, octets in talk.odd
    ]
    cases = capture.frames or len(capture.conversations)
    return _ask("traffic", "Is there no other traffic?", cases, found, personal=personal)


def judge_completeness(capture: Capture) -> Question:
    """Say what the capture lacks of its connections, and that it has a request at all."""
    found = [
        _Case(Place(talk.where, b""), gap, 0, 0)
        for talk in capture.conversations
        for gap in talk.gaps
    ]
    if not any(talk.octets for talk in capture.conversations):
        nothing = "there is no request in it: silence proves nothing"
        found.append(_Case(Place("the capture", b""), nothing, 0, 0))
    asks = "Does the capture have all of it?"
    return _ask("complete", asks, len(capture.conversations), found)


def judge_encryption(capture: Capture) -> Question:
    """List the connections whose requests cannot be read."""
    sentence = "not judged: encrypted; give the keys by --keylog"
    found = [
        _Case(Place(talk.where, b""), sentence, 0, 0)
        for talk in capture.conversations
        if talk.state is State.ENCRYPTED
    ]
    return _ask("readable", "Can every request be read?", len(capture.conversations), found)


def hosts_of(talk: Conversation) -> frozenset[bytes]:
    """Give the names by which a connection calls its far end, without ports."""
    told = {talk.name} if talk.name else set[bytes]()
    if talk.hello is not None and talk.hello.server_name:
        told.add(talk.hello.server_name)
    if talk.state in READABLE:
        told |= {request.header(b"host") or b"" for request in split_requests(talk.octets)}
    return frozenset(_without_port(name) for name in told if name)


def _without_port(name: bytes) -> bytes:
    head, mark, port = name.rpartition(b":")
    return head if mark and port.isdigit() else name


def _tell(sighting: Sighting, personal: bool) -> str:
    dressed = " → ".join(sighting.chain) or "it is"
    return f"{sighting.field} as {dressed}: {show_value(sighting.value, personal=personal)}"


def _stray_names(capture: Capture, name: bytes | None) -> Iterator[_Case]:
    for question in capture.asked:
        place = Place(f"name asked for, {question.where}", question.name)
        if question.name != name:
            yield _Case(place, "another name is asked for", 0, len(question.name))
        if question.extra:
            beside = Place(place.where, question.extra)
            yield _Case(beside, "a question carries more than its name", 0, len(question.extra))


def _stray_hosts(capture: Capture, name: bytes | None) -> Iterator[_Case]:
    addresses = capture.addresses.get(name or b"", frozenset())
    for talk in capture.conversations:
        if talk.state is State.NAMES or capture.form == "octets":
            continue
        hosts = hosts_of(talk)
        for other in sorted(hosts - {name}):
            yield _Case(Place(talk.where, other), "another host is contacted", 0, len(other))
        if not hosts and talk.far.rpartition(":")[0].strip("[]") not in addresses:
            where = Place(talk.where, b"")
            yield _Case(where, "an address is contacted that no name led to", 0, 0)


def _find_whole(capture: Capture, known: Known) -> Iterator[_Case]:
    """Find values too short to be searched for, where they are all that a field has."""
    wanted = {value: name for name, values in known.whole.items() for value in values}
    for talk in capture.conversations:
        if not wanted or talk.state not in READABLE:
            continue
        place = Place(talk.where, talk.octets)
        for request in split_requests(talk.octets):
            for field in list_fields(request):
                if field.value in wanted and field.name not in {"method", "version"}:
                    said = f"{wanted[field.value]} as the whole of {field.name}"
                    yield _Case(place, said, field.offset, len(field.value))
