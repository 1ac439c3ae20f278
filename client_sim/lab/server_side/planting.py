"""Planting of new canaries at the marks of a request template.

Each mark is replaced by a value of its own:

    <T>  26 letters and digits, 128 bits
    <B>  the base64 of an account and such a value, as in Basic authentication
    <N>  39 digits
    <n>  16 digits, where a server would not read more
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
_HALF: Final = 13  # letters, 65 bits; searched for because a short field may truncate a value
_SEPARATORS: Final = (b" ", b": ", b"?", b"#", b"/", b"=", b"&", b";", b", ", b'"', b"@")


class Delivery(enum.Enum):
    """How the bytes of a request are sent."""

    WHOLE = "whole"
    CUT = "in two packets"
    RESET = "followed by a reset"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Template:
    """A request with marks; `position` describes where the canary is.

    `answers` is the number of expected answers, and `heads` says whether they are to HEAD requests.
    `name` and `alpn` are the TLS server name and protocol if the canary is there.
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
    """A request ready to be sent, and the values in it.

    `halves` are the halves of values. `wholes` are pieces of the request that contain a value, such
    as the line or the path; a server could keep a digest of such a piece.
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
    """Return 128 random bits as 26 bytes that are valid in any position."""
    return base64.b32encode(entropy(16)).rstrip(b"=").lower()


def _draw(kind: bytes, entropy: Entropy) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the text for the request, and the values to search for."""
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
            # No group begins with a zero digit, so the address has only one spelling.
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
