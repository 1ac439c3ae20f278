"""Decodes DER (ITU-T X.690 sections 8 and 10); everything that a phone verifies uses it."""

from dataclasses import dataclass
from typing import Final

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
BYTES: Final = 0x04
OBJECT: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31
CONTEXT_0: Final = 0xA0
_OWN_LENGTH_LIMIT: Final = 3
"""Maximum bytes of a long-form length, without its first byte: contents have less than 16 MiB."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag byte and its content."""

    tag: int
    content: bytes

    def elements(self) -> list["Element"]:
        """Return the elements inside; raises ValueError."""
        return decode_elements(self.content)


def decode_elements(data: bytes) -> list[Element]:
    """Return the consecutive elements that fill `data`; nested elements are not decoded.

    Raises ValueError for tags of several bytes, for lengths that are indefinite or not in their
    shortest form, and for truncated data.
    """
    found = []
    rest = memoryview(data)
    while rest:
        if len(rest) < 2 or rest[0] & 0x1F == 0x1F:
            raise ValueError("not DER: an element has a tag of several bytes, or is cut short")
        head, length = 2, rest[1]
        if length > 0x7F:
            head, length = _read_length(rest)
        if len(rest) < head + length:
            raise ValueError("not DER: an element is cut short")
        found.append(Element(rest[0], bytes(rest[head : head + length])))
        rest = rest[head + length :]
    return found


def take(elements: list[Element], *tags: int) -> list[Element]:
    """Return `elements`; raises ValueError unless their tags are exactly `tags`."""
    if [element.tag for element in elements] != list(tags):
        raise ValueError("elements are missing or unexpected")
    return elements


def _read_length(element: memoryview) -> tuple[int, int]:
    """Return the offset of the content, and its length, which is encoded in more than one byte."""
    own = element[1] - 0x80
    length = int.from_bytes(element[2 : 2 + own], "big")
    shortest = 1 if length < 0x100 else 2 if length < 0x10000 else 3
    if not 1 <= own <= _OWN_LENGTH_LIMIT or len(element) < 2 + own:
        raise ValueError("not DER: a length is too long, or cut short")
    if length < 0x80 or own != shortest:
        raise ValueError("not DER: a length is not in its shortest form")
    return 2 + own, length
