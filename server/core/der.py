"""Reads DER (ITU-T X.690 sections 8 and 10) as far as certificates and CMS messages need it."""

from dataclasses import dataclass

from server.core.errors import FormatError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT_ID = 0x01, 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET, CONTEXT_0 = 0x30, 0x31, 0xA0
_LONGEST_LENGTH = 3  # bytes after the first: 16 MiB, more than anything that is read here


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, its content, and its whole encoding."""

    tag: int
    content: bytes
    encoding: bytes


def decode_elements(data: bytes) -> list[Element]:
    """Return the elements that follow each other in `data`, without decoding their content.

    Raises FormatError for tags of several bytes, for lengths that are indefinite, not in their
    shortest form or of more than four bytes, and for data that ends within an element.
    """
    found = []
    start = 0
    while start < len(data):
        tag, at, length = data[start], start + 2, data[start + 1] if start + 1 < len(data) else 0x80
        if length >= 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
            if not 1 <= count <= _LONGEST_LENGTH or length < max(0x80, 1 << 8 * (count - 1)):
                raise FormatError("the bytes are not DER: a length is not in its shortest form")
        if tag & 0x1F == 0x1F or at + length > len(data):
            raise FormatError("the bytes are not DER: they end within an element")
        found.append(Element(tag, data[at : at + length], data[start : at + length]))
        start = at + length
    return found
