"""Which field of what left two byte strings part in: the name of a place of difference."""

from typing import Final

from client_sim.lab.oracles.parts import Part, decode_parts, find_part
from client_sim.lab.trace.observation import Channel

_TARGET: Final = ("address", "port", "TLS name")


def name_place(channel: Channel, first: bytes, second: bytes, offset: int) -> str:
    """Name the field at an offset, up to which both strings are equal.

    `path`, `query`, `header order`, `header Host value`, `body` and the like in bytes, with the
    number of the request; `address`, `port` or `TLS name` of a target; `name` of a question; in TLS
    parameters the first word of the line.
    """
    match channel:
        case Channel.BYTES:
            return _name_of_bytes(first, second, offset)
        case Channel.CONNECT:
            return _TARGET[min(first[:offset].count(b" "), 2)]
        case Channel.TLS:
            line = first[:offset].rfind(b"\n") + 1
            return ((first or second)[line:].split() or [b""])[0].decode("latin-1")
        case Channel.DNS:
            return "name"
        case _:
            return channel.value


def _name_of_bytes(first: bytes, second: bytes, offset: int) -> str:
    # Where one side is at its end, the other one has what is too much.
    longer, shorter = (second, first) if offset >= len(first) else (first, second)
    part = find_part(longer, offset)
    if part is None or (offset == part.offset >= len(shorter) and part.name == "method"):
        return "number of requests"
    ours, theirs = _headers(longer, part), _headers(shorter, part)
    if ours != theirs and sorted(ours) == sorted(theirs):
        return f"request {part.request}, header order"
    return f"request {part.request}, {part.name}"


def _headers(data: bytes, part: Part) -> list[bytes]:
    parts = decode_parts(data)
    return [p.data for p in parts if p.request == part.request and p.name == "header name"]
