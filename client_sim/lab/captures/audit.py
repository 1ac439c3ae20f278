"""The audit of a capture: judges everything that it shows; the verdict claims nothing beyond it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from client_sim.lab.captures.capture import READABLE, Capture, observe_capture
from client_sim.lab.captures.dialects import Disclosure, find_faults, list_disclosures
from client_sim.lab.captures.evidence import list_places
from client_sim.lab.captures.hosts import hosts_of, judge_egress, judge_handshake
from client_sim.lab.captures.judges import (
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
from client_sim.lab.captures.known_values import Known
from client_sim.lab.captures.requests import FieldRow, iterate_requests, measure_fields
from client_sim.lab.oracles.canary import CanarySearch

_MANY: Final = 200  # known values; with more, fewer layers of encodings are computed in advance


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit.

    `host` is the required value of Host, and `is_host_given` whether it was given. `hosts` counts
    connections by the host names in them, and `names` counts DNS questions by name. `disclosures`
    are what requests in the dialects of existing Updater apps reveal.
    """

    capture: Capture
    host: bytes | None
    is_host_given: bool
    questions: tuple[Question, ...]
    fields: tuple[FieldRow, ...]
    hosts: Counter[bytes]
    names: Counter[bytes]
    requests: int
    disclosures: tuple[Disclosure, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether every question passed; one that could not be answered did not."""
        return all(question.passed for question in self.questions)

    @property
    def verdict(self) -> str:
        """The most severe verdict that applies, in a few words."""
        failed = {question.name for question in self.questions if not question.passed}
        if "canaries" in failed:
            return "leak"
        if failed & {"grammar", "egress", "tls", "writes", "ends", "traffic"}:
            return "unexplained"
        if "readable" in failed:
            return "not judged: encrypted"
        return "not judged: incomplete" if failed else "clean"


def describe_outcome(audit: Audit) -> str:
    """Return the verdict and the number of connections, as the second half of a title."""
    connections = len(audit.capture.conversations)
    scope = f"in {connections:,} connection{'' if connections == 1 else 's'}"
    if audit.is_clean:
        return f"no leak found {scope}"
    return f"leak found {scope}" if audit.verdict == "leak" else f"{audit.verdict}, {scope}"


def audit_capture(
    capture: Capture,
    host: bytes | None,
    known: Known | None,
    *,
    personal: bool = False,
    dialects: Sequence[str] = (),
) -> Audit:
    """Judge a capture.

    `host` is the required value of Host; None takes the first value in the capture. Unless
    `personal`, values that may identify the owner are redacted in the findings. With `dialects`,
    the app is an existing Updater app: its requests are judged by the rows of these dialects, and
    the rules of hening's own phones for TLS, writes and ends do not apply.
    """
    is_host_given = host is not None
    host = host if is_host_given else _first_host(capture)
    search = None
    if known is not None:
        count = sum(map(len, known.anywhere.values()))
        search = CanarySearch(known.anywhere, layers=2 if count <= _MANY else 1)
    observation = observe_capture(capture)
    places = list_places(observation, search)
    if dialects:
        find, table = partial(find_faults, dialects=dialects), "table of dialects"
    else:
        find, table = (
            partial(find_violations, host=host if is_host_given else None),
            "request table",
        )
    questions = [
        judge_grammar(capture, observation, find, table=table, personal=personal),
        judge_egress(capture, observation, host, personal=personal),
    ]
    if not dialects:
        questions += [
            judge_handshake(capture, observation, host, personal=personal),
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
    conversations = capture.conversations
    return Audit(
        capture=capture,
        host=host,
        is_host_given=is_host_given,
        questions=tuple(questions),
        fields=measure_fields(capture, host if is_host_given else None),
        hosts=Counter(name for conversation in conversations for name in hosts_of(conversation)),
        names=Counter(question.name for question in capture.dns_questions),
        requests=sum(
            1
            for conversation in conversations
            if conversation.state in READABLE
            for _ in iterate_requests(conversation.data)
        ),
        disclosures=list_disclosures(capture, dialects),
    )


def _first_host(capture: Capture) -> bytes | None:
    """Return the first Host or server name of a connection, or else the first DNS question."""
    for conversation in capture.conversations:
        if conversation.state in READABLE:
            for request in iterate_requests(conversation.data):
                if (host := request.header(b"host")) is not None:
                    return host
        if conversation.hello is not None and conversation.hello.server_name:
            return conversation.hello.server_name
    return next((question.name for question in capture.dns_questions), None)
