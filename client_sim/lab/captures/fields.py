"""How much each field can reveal: distinct values, and bits measured and at most.

Section 8 of the programme: a field that the request table has reveals what the table says; of any
other the size of its values is all that bounds it.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from client_sim.lab.captures.requests import iterate_requests, list_fields
from client_sim.lab.captures.seen import Capture, Conversation, State
from client_sim.lab.oracles.grammar import iterate_violations
from client_sim.lab.trace.hello import ja4

_FIELDS_LIMIT: Final = 500  # rows; a client can invent any number of names
_REST: Final = "fields beyond the first"
_ALPHABETS: Final = (
    (re.compile(rb"[0-9]*"), math.log2(10)),
    (re.compile(rb"[0-9a-f]*|[0-9A-F]*"), 4.0),
    (re.compile(rb"[A-Za-z0-9+/_=-]*"), 6.0),
    (re.compile(rb"[ -~]*"), math.log2(95)),
)


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field: how often it was there, how many values it had, and what those reveal.

    `measured` is the entropy, in bits, of its values in this capture. `most` is how many bits a
    value of this length and alphabet can carry; None where the request table bounds it.
    """

    name: str
    count: int
    distinct: int
    measured: float
    most: float | None


def measure_fields(capture: Capture, host: bytes | None) -> tuple[FieldRow, ...]:
    """Measure each field of requests, of names that were asked for and of TLS."""
    values: dict[str, Counter[bytes]] = defaultdict(Counter)
    strange: set[str] = set()
    for talk in capture.conversations:
        is_known = talk.state in {State.PLAIN, State.DECRYPTED} and not any(
            iterate_violations(talk.data, host)
        )
        for told, value in _values(talk):
            name = told if told in values or len(values) < _FIELDS_LIMIT else _REST
            values[name][value] += 1
            if not is_known:
                strange.add(name)
    for question in capture.asked:
        values["name asked for"][question.name] += 1
        if question.extra or host is None or question.name != host.partition(b":")[0]:
            strange.add("name asked for")
    return tuple(_measure(name, counted, name in strange) for name, counted in values.items())


def entropy(counted: Iterable[int]) -> float:
    """Return the entropy of a distribution in bits, from how often each value was there."""
    counts = list(counted)
    total = sum(counts)
    return sum(count / total * math.log2(total / count) for count in counts) if total else 0.0


def capacity(value: bytes) -> float:
    """Return how many bits a value of this length can carry in the narrowest alphabet it fits."""
    for alphabet, bits in _ALPHABETS:
        if alphabet.fullmatch(value):
            return len(value) * bits
    return len(value) * 8.0


def _values(talk: Conversation) -> Iterator[tuple[str, bytes]]:
    if talk.hello is not None:
        yield "TLS JA4", ja4(talk.hello).encode()
        yield "TLS server name", talk.hello.server_name or b""
        yield "TLS protocols", b",".join(talk.hello.protocols)
        yield "TLS resumption", b"yes" if talk.hello.resumes else b"no"
    if talk.state in {State.PLAIN, State.DECRYPTED}:
        end = 0
        for request in iterate_requests(talk.data):
            end = request.end
            for field in list_fields(request):
                yield field.name, field.value
        if end < len(talk.data):
            yield "bytes that are no request", talk.data[end:]


def _measure(name: str, counted: Mapping[bytes, int], is_strange: bool) -> FieldRow:
    most = max(map(capacity, counted)) if is_strange else None
    return FieldRow(name, sum(counted.values()), len(counted), entropy(counted.values()), most)
