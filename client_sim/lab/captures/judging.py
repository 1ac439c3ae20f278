"""What a capture shows, judged question by question."""

from collections.abc import Iterator, Sequence

from client_sim.lab.captures.evidence import Place
from client_sim.lab.captures.known import Known
from client_sim.lab.captures.observing import list_talks
from client_sim.lab.captures.question import Case, Question, ask
from client_sim.lab.captures.redaction import show_value
from client_sim.lab.captures.requests import iterate_requests, list_fields
from client_sim.lab.captures.seen import READABLE, Capture, State
from client_sim.lab.oracles.canary import Sighting
from client_sim.lab.oracles.grammar import iterate_violations
from client_sim.lab.trace.observation import Observation


def judge_grammar(
    capture: Capture, seen: Observation, host: bytes | None, *, personal: bool
) -> Question:
    """Check all that can be read of connections against the request table.

    One violation at a time, where `lab run` lists them: captured bytes may be nothing else.
    """
    read = [
        connection
        for talk, connection in zip(list_talks(capture), seen.connections(), strict=True)
        if talk.state is not State.ENCRYPTED
    ]
    found = (
        Case(
            Place(connection.phase, connection.data),
            f"{violation.rule}: {violation.explanation}",
            violation.offset,
            len(violation.data),
        )
        for connection in read
        for violation in iterate_violations(connection.data, host)
    )
    asks = "Is every byte in the request table?"
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
        Case(
            Place(each.where or "the capture", each.data),
            f"{each.label}, {each.frames} times: nothing explains these {len(each.data)} bytes",
            0,
            len(each.data),
        )
        for each in capture.loose
    ]
    found += [
        Case(
            Place(talk.where, data),
            f"{label}: the far end may have taken these bytes in place of others",
            0,
            len(data),
        )
        for talk in capture.conversations
        for label, data in talk.odd
    ]
    cases = capture.frames or len(capture.conversations)
    return ask("traffic", "Is there no other traffic?", cases, found, personal=personal)


def judge_completeness(capture: Capture) -> Question:
    """Say what the capture lacks of its connections, and that it has a request at all."""
    found = [
        Case(Place(talk.where, b""), gap, 0, 0)
        for talk in capture.conversations
        for gap in talk.gaps
    ]
    if not any(talk.data for talk in capture.conversations):
        nothing = "there is no request in it: silence proves nothing"
        found.append(Case(Place("the capture", b""), nothing, 0, 0))
    asks = "Does the capture have all of it?"
    return ask("complete", asks, len(capture.conversations), found)


def judge_encryption(capture: Capture) -> Question:
    """List the connections whose requests cannot be read."""
    sentence = "not judged: encrypted; give the keys by --keylog"
    found = [
        Case(Place(talk.where, b""), sentence, 0, 0)
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
