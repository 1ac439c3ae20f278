"""The audit of a capture: everything it shows, judged, with a verdict that claims no more."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from client_sim.lab.captures.dialects import Told, find_faults, list_told
from client_sim.lab.captures.evidence import list_places
from client_sim.lab.captures.hosts import hosts_of, judge_egress, judge_handshake
from client_sim.lab.captures.judging import (
    Question,
    find_violations,
    judge_canaries,
    judge_completeness,
    judge_encryption,
    judge_ends,
    judge_grammar,
    judge_traffic,
    judge_writes,
)
from client_sim.lab.captures.known import Known
from client_sim.lab.captures.requests import FieldRow, iterate_requests, measure_fields
from client_sim.lab.captures.seen import READABLE, Capture, Conversation, observe_capture
from client_sim.lab.oracles.canary import CanarySearch

_MANY: Final = 200  # values from which on fewer layers of encodings are computed in advance


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. `host` is the value that Host must have, `is_told` whether it was given.

    `hosts` counts connections by what they call their far end, `names` questions by name.
    `told` is what requests in the dialects of existing Updater apps reveal.
    """

    capture: Capture
    host: bytes | None
    is_told: bool
    questions: tuple[Question, ...]
    fields: tuple[FieldRow, ...]
    hosts: Counter[bytes]
    names: Counter[bytes]
    requests: int
    told: tuple[Told, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether every question could be answered, and passed."""
        return all(question.passed for question in self.questions)

    @property
    def verdict(self) -> str:
        """Return the verdict in a few words: the gravest that applies."""
        failed = {question.name for question in self.questions if not question.passed}
        if "canaries" in failed:
            return "leak"
        if failed & {"grammar", "egress", "tls", "writes", "ends", "traffic"}:
            return "unexplained"
        if "readable" in failed:
            return "not judged: encrypted"
        return "not judged: incomplete" if failed else "clean"


def describe_outcome(audit: Audit) -> str:
    """Return the verdict as the second half of a title."""
    connections = len(audit.capture.conversations)
    seen = f"in {connections:,} connection{'' if connections == 1 else 's'}"
    if audit.is_clean:
        return f"no leak found {seen}"
    return f"leak found {seen}" if audit.verdict == "leak" else f"{audit.verdict}, {seen}"


def audit_capture(
    capture: Capture,
    host: bytes | None,
    known: Known | None,
    *,
    personal: bool = False,
    dialects: Sequence[str] = (),
) -> Audit:
    """Judge a capture. `host` is the value that Host must have; None takes the first that is seen.

    Where `personal` is false, whatever may be about the owner is covered in the findings. With
    `dialects` the app is not hening's own: its requests are judged by their rows, and the rules
    for TLS, writes and ends of hening's own phones do not apply.
    """
    is_told = host is not None
    host = host if is_told else _first_host(capture)
    search = None
    if known is not None:
        count = sum(map(len, known.anywhere.values()))
        search = CanarySearch(known.anywhere, layers=2 if count <= _MANY else 1)
    seen = observe_capture(capture)
    places = list_places(seen, search)
    if dialects:
        find, table = partial(find_faults, dialects=dialects), "table of dialects"
    else:
        find, table = partial(find_violations, host=host if is_told else None), "request table"
    questions = [
        judge_grammar(capture, seen, find, table=table, personal=personal),
        judge_egress(capture, seen, host, personal=personal),
    ]
    if not dialects:
        questions += [
            judge_handshake(capture, seen, host, personal=personal),
            judge_writes(capture, personal=personal),
            judge_ends(capture),
        ]
    questions += [
        judge_traffic(capture, personal=personal),
        judge_encryption(capture),
        judge_completeness(capture),
    ]
    if known is not None:
        questions.insert(1, judge_canaries(capture, places, known, personal=personal))
    talks = capture.conversations
    return Audit(
        capture=capture,
        host=host,
        is_told=is_told,
        questions=tuple(questions),
        fields=measure_fields(capture, host if is_told else None),
        hosts=Counter(name for talk in talks for name in hosts_of(talk)),
        names=Counter(question.name for question in capture.asked),
        requests=sum(_count_requests(talk) for talk in talks if talk.state in READABLE),
        told=list_told(capture, dialects),
    )


def _count_requests(talk: Conversation) -> int:
    return sum(1 for _ in iterate_requests(talk.data))


def _first_host(capture: Capture) -> bytes | None:
    """Return the first value of Host or name in a client hello, else the first name asked for."""
    for talk in capture.conversations:
        if talk.state in READABLE:
            for request in iterate_requests(talk.data):
                if (host := request.header(b"host")) is not None:
                    return host
        if talk.hello is not None and talk.hello.server_name:
            return talk.hello.server_name
    return next((asked.name for asked in capture.asked), None)
