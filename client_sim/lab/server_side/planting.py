"""Planting: fresh canaries in the marked places of a request.

A mark is replaced by a value of its own each time:

    <T>  26 letters and digits, 128 bits
    <B>  the base64 of an account and such a value, as Basic authentication has it
    <N>  39 digits
    <n>  16 digits, where more are refused unread
    <A>  an IPv6 address of a private network, 120 bits
"""

import base64
import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

Entropy = Callable[[int], bytes]

_MARK: Final = re.compile(rb"<([TBNnA])>")
_HALF: Final = 13  # letters, 65 bits: what is left of a value that a short field cut off
_SEPARATORS: Final = (b" ", b": ", b"?", b"#", b"/", b"=", b"&", b";", b", ", b'"', b"@")


class Delivery(enum.Enum):
    """How the bytes of a request travel."""

    WHOLE = "whole"
    CUT = "in two packets"
    RESET = "with a reset right behind it"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Template:
    """A request with marks; `position` says where the canary stands.

    `answers` is how many answers are waited for, `heads` whether they are to HEAD. `name` and
    `alpn` are marks for TLS, where that is the position.
    """

    position: str
    data: bytes
    delivery: Delivery = Delivery.WHOLE
    answers: int = 1
    heads: bool = False
    name: bytes = b""
    alpn: bytes = b""


@dataclass(frozen=True, slots=True)
class Planted:
    """A request ready to be sent, with the values in it.

    `halves` are the halves of values. `wholes` are pieces of the request that hold a value, such as
    the line or the path: a server that keeps a digest has taken it of such a piece.
    """

    template: Template
    data: bytes
    name: str
    alpn: str
    values: tuple[bytes, ...]
    halves: tuple[bytes, ...]
    wholes: tuple[bytes, ...]


def plant(template: Template, entropy: Entropy) -> Planted:
    """Draw a value for each mark of a template."""
    values: list[bytes] = []

    def draw(mark: re.Match[bytes]) -> bytes:
        shown, own = _draw(mark[1], entropy)
        values.extend(own)
        return shown

    data = _MARK.sub(draw, template.data)
    name, alpn = _MARK.sub(draw, template.name), _MARK.sub(draw, template.alpn)
    tokens = [value for value in values if len(value) > _HALF]
    halves = [half for token in tokens for half in (token[:_HALF], token[-_HALF:])]
    pieces = [
        piece
        for piece in _pieces(data)
        if piece not in values and any(token in piece for token in tokens)
    ]
    return Planted(
        template=template,
        data=data,
        name=name.decode(),
        alpn=alpn.decode(),
        values=tuple(values),
        halves=tuple(halves),
        wholes=tuple(dict.fromkeys(pieces)),
    )


def draw_token(entropy: Entropy) -> bytes:
    """Return 128 fresh bits as 26 bytes that may stand in any position."""
    return base64.b32encode(entropy(16)).rstrip(b"=").lower()


def _draw(kind: bytes, entropy: Entropy) -> tuple[bytes, tuple[bytes, ...]]:
    """Return what is written in the request, and the values to look for."""
    match kind:
        case b"B":
            token = draw_token(entropy)
            return base64.b64encode(b"owner:" + token), (token,)
        case b"N":
            number = b"%039d" % (10**38 + int.from_bytes(entropy(16), "big") % (9 * 10**38))
            return number, (number,)
        case b"n":
            number = b"%d" % (10**15 + int.from_bytes(entropy(8), "big") % (9 * 10**15))
            return number, (number,)
        case b"A":
            # Each group begins with a digit that is not zero, so that there is one spelling.
            groups = [0xFD11, *(0x1000 | int.from_bytes(entropy(2), "big") for _ in range(7))]
            packed = b"".join(group.to_bytes(2, "big") for group in groups)
            return str(IPv6Address(packed)).encode(), (str(IPv6Address(packed)).encode(), packed)
        case _:
            token = draw_token(entropy)
            return token, (token,)


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yield the parts of a request of which a server could take a digest."""
    yield data
    head, blank, body = data.partition(b"\r\n\r\n")
    yield head
    if blank:
        yield body
    for line in data.split(b"\r\n"):
        yield line
        for separator in _SEPARATORS:
            place = line.find(separator)
            while place >= 0:
                before, after = line[:place], line[place + len(separator) :]
                yield from (before, after, after.split(b" ")[0], before.split(b" ")[-1])
                yield after.split(separator)[0]
                place = line.find(separator, place + 1)
        for word in line.split(b" "):
            yield word
            yield word.partition(b"?")[0]
            yield word.partition(b"?")[2]
