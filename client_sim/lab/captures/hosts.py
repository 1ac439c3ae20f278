"""Judges of the hosts that a phone contacts: DNS names, targets, and TLS handshakes."""

from collections.abc import Iterator
from typing import Final

from client_sim.lab.captures.capture import (
    READABLE,
    Capture,
    Conversation,
    State,
    list_conversations,
)
from client_sim.lab.captures.evidence import Place, name_place
from client_sim.lab.captures.judges import Case, Question, make_case, make_question
from client_sim.lab.captures.requests import iterate_requests
from client_sim.lab.oracles.connections import find_strays, judge_handshakes, judge_tls
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.world import BuildFacts, Public

# The parts of the egress list that the phone itself causes. The system's resolver asks for both
# kinds of addresses, repeats questions, and caches answers; a capture may begin after a question;
# and connections of other programs overlap. The sentences contain no host names, because these may
# have to be redacted.
_STRAYS: Final = {
    "name": "a DNS question for another name",
    "port": "the phone contacts another port",
    "TLS name": "TLS with another name, or no TLS",
}


def judge_egress(
    capture: Capture, observation: Observation, host: bytes | None, *, personal: bool
) -> Question:
    """Find resolved names and contacted hosts other than `host`."""
    name = None if host is None else without_port(host)
    found = (
        *_strays(capture, observation, name),
        *_stray_questions(capture),
        *_stray_hosts(capture, name),
    )
    text = "Is the server's host the only one resolved and contacted?"
    cases = len(capture.dns_questions) + len(capture.conversations)
    return make_question("egress", text, cases, found, personal=personal)


def judge_handshake(
    capture: Capture, observation: Observation, host: bytes | None, *, personal: bool
) -> Question:
    """Find TLS that names another host or protocol, resumes a session, or varies."""
    name = None if host is None else without_port(host)
    found = (
        Case(
            Place(finding.where, finding.data),
            # Not the oracle's own sentence, because it contains values.
            f"{finding.field} differs from that of all phones of a fleet",
            finding.offset,
            finding.length,
        )
        for finding in (
            *judge_tls(observation, guess_rom(capture, name)),
            *judge_handshakes(observation),
        )
    )
    cases = sum(conversation.hello is not None for conversation in capture.conversations)
    text = "Does TLS name one host and one protocol, and never resume a session?"
    return make_question("tls", text, cases, found, personal=personal)


def guess_rom(capture: Capture, name: bytes | None) -> Public:
    """Return the ROM's facts about its server, as far as the capture shows them.

    Port and TLS are those of the first connection to the host, or else of the first connection.
    """
    conversations = list_conversations(capture)
    first = next(
        (conversation for conversation in conversations if name in hosts_of(conversation)),
        conversations[0] if conversations else None,
    )
    _, port, tls = [*(b"" if first is None else first.target).split(b" ", 2), b"", b""][:3]
    return Public(
        host=(name or b"").decode("latin-1"),
        port=int(port) if port.isdigit() and len(port) < 6 else 0,
        tls=tls not in {b"", b"plain"},
        codename="",
        region="",
        channel="",
        root=b"",
        ota_certificate=b"",
        built_at=0,
        build=BuildFacts("", "", 0, 0, ""),
    )


def hosts_of(conversation: Conversation) -> frozenset[bytes]:
    """Return the host names in a connection's TLS and Host headers, without ports."""
    names = {conversation.name} if conversation.name else set[bytes]()
    if conversation.hello is not None and conversation.hello.server_name:
        names.add(conversation.hello.server_name)
    if conversation.state in READABLE:
        names |= {request.header(b"host") or b"" for request in iterate_requests(conversation.data)}
    return frozenset(without_port(name) for name in names if name)


def without_port(name: bytes) -> bytes:
    """Return the value of a Host header without the port."""
    head, mark, port = name.rpartition(b":")
    return head if mark and port.isdigit() else name


def _strays(capture: Capture, observation: Observation, name: bytes | None) -> Iterator[Case]:
    """Yield the names and targets that violate the egress list."""
    conversations = list_conversations(capture)
    for stray in find_strays(observation, guess_rom(capture, name)):
        departure = stray.departure
        explanation = _STRAYS.get(stray.field)
        if explanation is None or (departure.channel is Channel.CONNECT and not departure.data):
            continue  # caused by the system, or the capture does not show the target
        # Another host may have another port; report only the host.
        if stray.field == "port" and hosts_of(conversations[departure.connection]) - {name}:
            continue
        yield make_case(name_place(departure), explanation, departure.data)


def _stray_questions(capture: Capture) -> Iterator[Case]:
    for question in capture.dns_questions:
        if question.extra:
            where = f"DNS question, {question.where}"
            yield make_case(where, "a DNS question contains more than its name", question.extra)


def _stray_hosts(capture: Capture, name: bytes | None) -> Iterator[Case]:
    addresses = capture.addresses.get(name or b"", frozenset())
    for conversation in capture.conversations:
        if conversation.state is State.NAMES or capture.form == "octets":
            continue
        hosts = hosts_of(conversation)
        for other in sorted(hosts - {name}):
            yield make_case(conversation.where, "the phone contacts another host", other)
        if not hosts and conversation.target.partition(b" ")[0].decode("latin-1") not in addresses:
            yield make_case(
                conversation.where, "the phone contacts an address that no name resolved to"
            )
