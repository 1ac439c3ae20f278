"""The bytes of polls for reports: on a terminal, as JSON, and for a page, without repetitions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from client_sim.lab.programme.dissection import Exchange, Field, dissect
from client_sim.lab.report.printable import printable, say
from client_sim.lab.trace.observation import Observation

_KINDS: Final = 3  # different polls shown
_MOST: Final = 4096  # bytes of a poll that are dissected


def exchange_to_dict(exchange: Exchange) -> dict[str, Any]:
    """Return one request and its fields; bytes are Latin-1 text, one character per byte."""
    return {
        "rule": exchange.rule,
        "why": exchange.why,
        "octets": exchange.data.decode("latin-1"),
        "fields": [
            {
                "offset": offset,
                "octets": field.data.decode("latin-1"),
                "name": field.name,
                "why": field.why,
                "tells": field.reveals,
            }
            for offset, field in with_offsets(exchange)
        ],
    }


def with_offsets(exchange: Exchange) -> tuple[tuple[int, Field], ...]:
    """Return each field with its offset in the request."""
    ends = accumulate(len(field.data) for field in exchange.fields)
    return tuple(
        (end - len(field.data), field) for end, field in zip(ends, exchange.fields, strict=True)
    )


def render_exchanges(exchanges: Sequence[Exchange], console: Console) -> None:
    r"""Print each request as it is sent, with line ends as `\r\n`, and then its fields."""
    for exchange in exchanges:
        style = "bold" if exchange.is_explained else "bold red"
        say(console, f"# {exchange.rule}: {exchange.why}", style)
        for line in show_lines(exchange.data):
            console.print(Text(line), soft_wrap=True)
        if exchange.is_explained:
            for offset, field in with_offsets(exchange):
                _render_field(offset, field, console)
        console.print()
    data = sum(len(exchange.data) for exchange in exchanges)
    strays = sum(len(each.data) for each in exchanges if not each.is_explained)
    if strays:
        sentence = f"{data} bytes, of which {strays} are not in the request table."
        say(console, sentence, "bold red")
    else:
        say(console, f"{data} bytes in {len(exchanges)} requests.", "bold")


def show_lines(data: bytes) -> tuple[str, ...]:
    r"""Return bytes as lines with their ends as `\r\n`; unprintable characters are escaped."""
    *lines, rest = data.decode("latin-1").split("\r\n")
    shown = [f"{printable(line)}\\r\\n" for line in lines]
    return tuple([*shown, printable(rest)] if rest else shown)


def _render_field(offset: int, field: Field, console: Console) -> None:
    reveals = "" if field.reveals == "nothing" else f" Can reveal: {field.reveals}."
    data = Text(f"{offset:>6}  ").append("".join(show_lines(field.data)), "reverse")
    console.print(data, soft_wrap=True)
    sentence = Text(f"{field.name}: {field.why}.").append(reveals, "bold")
    console.print(Padding(sentence, (0, 0, 0, 8)))


@dataclass(frozen=True, slots=True)
class Chip:
    """A field for display: its lines with visible ends; `kind` determines its colour."""

    field: Field
    lines: tuple[str, ...]
    digits: str
    kind: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request and its chips; `is_known` if the same bytes were already shown above."""

    exchange: Exchange
    chips: tuple[Chip, ...]
    is_known: bool


@dataclass(frozen=True, slots=True)
class PollKind:
    """A kind of connection in the sample, and the number of connections with the same bytes."""

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
    return "same" if field.reveals == "nothing" else "state"
