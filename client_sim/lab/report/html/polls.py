"""What the polls of the sample sent: equal ones once, each byte explained."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from client_sim.lab.programme.dissection import Exchange, Field, dissect
from client_sim.lab.report.exchanges import show_lines
from client_sim.lab.report.printable import printable
from client_sim.lab.trace.observation import Observation

_KINDS: Final = 3  # different polls that are shown
_MOST: Final = 4096  # bytes of one that are taken apart


@dataclass(frozen=True, slots=True)
class Chip:
    """A field as it is shown: lines with their ends written out; `kind` is how it is coloured."""

    field: Field
    lines: tuple[str, ...]
    digits: str
    kind: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request and its chips; `is_known` where the same bytes were taken apart above."""

    exchange: Exchange
    chips: tuple[Chip, ...]
    is_known: bool


@dataclass(frozen=True, slots=True)
class PollKind:
    """A connection of the sample, and how many of its connections carried the same bytes."""

    times: int
    size: int
    target: str
    requests: tuple[Request, ...]


def list_polls(sample: Observation) -> tuple[PollKind, ...]:
    """Return the different connections of a run, the most frequent first."""
    connections = sample.connections()
    counted = Counter(connection.data for connection in connections)
    targets = {c.data: printable(c.target.decode("latin-1")) for c in reversed(connections)}
    seen: set[tuple[bytes, ...]] = set()
    return tuple(
        PollKind(
            times,
            len(data),
            targets[data],
            tuple(_request(each, seen) for each in dissect(data[:_MOST], None)),
        )
        for data, times in counted.most_common(_KINDS)
    )


def _request(exchange: Exchange, seen: set[tuple[bytes, ...]]) -> Request:
    data = tuple(field.data for field in exchange.fields)
    is_known = data in seen
    seen.add(data)
    chips = tuple(
        Chip(
            field,
            show_lines(field.data),
            field.data[:64].hex(" ") + (" …" if len(field.data) > 64 else ""),
            _kind(exchange, field),
        )
        for field in exchange.fields
    )
    return Request(exchange, chips, is_known)


def _kind(exchange: Exchange, field: Field) -> str:
    if not exchange.is_explained:
        return "stray"
    return "same" if field.tells == "nothing" else "state"
