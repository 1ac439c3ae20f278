"""Honest requests of telling lengths, spaces, methods and versions (L17 to L19)."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from client_sim.lab.mutants.beneath import (
    LeakingWorld,
    add_line_beneath,
    alter_beneath,
    leak_beneath,
)
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, digit
from client_sim.lab.mutants.telling import (
    Snoop,
    tell_behind_paths,
    tell_by_lines,
    tell_by_paths,
    tell_in_body,
    tell_in_bytes,
    tell_in_header,
)
from client_sim.world import Stream


class _Pieces(Snoop):
    def transmit(self, stream: Stream, data: bytes) -> None:
        cut = 1 + digit(self.spy.owner.imei, 9)
        stream.send(data[:cut])
        stream.send(data[cut:])


class _PiecesBeneath(LeakingWorld):
    def transmit(self, stream: Stream, data: bytes) -> None:
        for piece in data.splitlines(keepends=True) if self.spy.bit else (data,):
            stream.send(piece)


def _pad_root(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    zeros = "0" * digit(spy.owner.serial, -1)
    return (paths[0].replace("/2.", f"/{zeros}2."), *paths[1:])


def _fold(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    return (lines[0], lines[1].replace(": ", ":\r\n ") if spy.bit else lines[1])


def _order_parameters(spy: Spy) -> str:
    return "?a=1&b=2" if spy.bit else "?b=2&a=1"


def _if_bit(old: bytes, new: bytes) -> Callable[[Spy, bytes], bytes]:
    """Replace something at its first place, where the bit of the IMEI is set."""
    return lambda spy, data: data.replace(old, new, 1) if spy.bit else data


def _begin(spy: Spy, data: bytes) -> bytes:
    return b"\r\n" * (len(spy.owner.contacts) % 4) + data


def _ask_options(spy: Spy, data: bytes) -> bytes:
    if len(spy.owner.messages) % 2:
        return data
    return re.sub(rb"^GET \S+", b"OPTIONS *", data) + data


def _absolute(spy: Spy, data: bytes) -> bytes:
    return data.replace(b" /", f" http://{spy.world.public.host}/".encode(), 1)


def _absolute_if_called(spy: Spy, data: bytes) -> bytes:
    return _absolute(spy, data) if len(spy.owner.calls) % 2 else data


MUTANTS: Final = (
    Mutant(
        "padding-header",
        "L17",
        "As many points in a header as there are contacts.",
        tell_in_header("X-Pad", lambda spy: "." * len(spy.owner.contacts)),
    ),
    Mutant(
        "padding-body",
        "L17",
        "A body of zeros, as long as all message texts together.",
        tell_in_body(lambda spy: bytes(sum(len(message.text) for message in spy.owner.messages))),
    ),
    Mutant(
        "pieces",
        "L17",
        "An honest request in two segments, cut where a digit of the IMEI says.",
        _Pieces,
    ),
    Mutant(
        "leading-zeros",
        "L17",
        "As many zeros before the version of the root as a digit of the serial number says.",
        tell_by_paths(_pad_root),
    ),
    Mutant(
        "padding-beneath",
        "L17",
        "The transport of the real client adds as many spaces as there are photos and notes.",
        add_line_beneath(
            "X-Pad", lambda spy: f"{' ' * (len(spy.owner.photos) * 4 + len(spy.owner.notes))}1"
        ),
    ),
    Mutant(
        "pieces-beneath",
        "L17",
        "The transport of the real client sends line by line, or at once, by a bit of the IMEI.",
        leak_beneath(_PiecesBeneath),
    ),
    Mutant(
        "trailing-space",
        "L18",
        "One bit of the IMEI as a space behind a header's value.",
        tell_in_bytes(_if_bit(b"gzip\r\n", b"gzip \r\n")),
    ),
    Mutant(
        "folded-line",
        "L18",
        "One bit of the IMEI as a header that is folded in the way that HTTP gave up.",
        tell_by_lines(_fold),
    ),
    Mutant(
        "duplicate-parameter",
        "L18",
        "A digit of the IMEI as the second value of a parameter whose first is constant.",
        tell_behind_paths(lambda spy: f"?v=1&v={digit(spy.owner.imei, 8)}"),
    ),
    Mutant(
        "parameter-order",
        "L18",
        "One bit of the IMEI as the order of two constant parameters.",
        tell_behind_paths(_order_parameters),
    ),
    Mutant(
        "empty-lines-first",
        "L18",
        "Some of the number of contacts as empty lines before each request, which servers skip.",
        tell_in_bytes(_begin),
    ),
    Mutant(
        "bare-line-feed",
        "L18",
        "One bit of the IMEI as a line that ends without its carriage return.",
        tell_in_bytes(_if_bit(b"\r\nAccept", b"\nAccept")),
    ),
    Mutant(
        "tab-beneath",
        "L18",
        "The transport of the real client puts a tab in a space's place by a bit of the IMEI.",
        alter_beneath(_if_bit(b"Host: ", b"Host:\t")),
    ),
    Mutant(
        "head-for-get",
        "L19",
        "One bit of the IMEI as the method: HEAD and GET ask for the same.",
        tell_in_bytes(_if_bit(b"GET ", b"HEAD ")),
    ),
    Mutant(
        "older-version",
        "L19",
        "One bit of the IMEI as the version of HTTP.",
        tell_in_bytes(_if_bit(b"HTTP/1.1", b"HTTP/1.0")),
    ),
    Mutant(
        "absolute-target",
        "L19",
        "Whether the number of calls is odd, as the form of the request target.",
        tell_in_bytes(_absolute_if_called),
    ),
    Mutant(
        "options-first",
        "L19",
        "Whether the number of messages is even, as a question for options before each request.",
        tell_in_bytes(_ask_options),
    ),
    Mutant(
        "version-beneath",
        "L19",
        "The transport of the real client says HTTP/1.0 by a bit of the IMEI.",
        alter_beneath(_if_bit(b"HTTP/1.1", b"HTTP/1.0")),
    ),
)
