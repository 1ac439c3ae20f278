"""Reads DER, one element after another; only what a CMS signature needs."""

from dataclasses import dataclass

from signer.ota.errors import SignatureError

INTEGER, OCTET_STRING, OBJECT_ID, SEQUENCE, SET, CONTEXT_0 = 0x02, 0x04, 0x06, 0x30, 0x31, 0xA0


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, its content, and its whole encoding."""

    tag: int
    content: bytes
    encoding: bytes


def _fault() -> SignatureError:
    return SignatureError("The package's CMS signature is not well-formed DER.")


def _decode_element(data: bytes) -> Element:
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise _fault()
    length, start = data[1], 2
    if length >= 0x80:
        start = 2 + (length & 0x7F)
        octets = data[2:start]
        length = int.from_bytes(octets)
        minimal = 0 < len(octets) <= 4 and octets[0] != 0 and length >= 0x80
        if not minimal:
            raise _fault()
    stop = start + length
    if stop > len(data):
        raise _fault()
    return Element(data[0], data[start:stop], data[:stop])


def decode_elements(data: bytes) -> list[Element]:
    """Return the elements that `data` consists of; SignatureError when it is not DER."""
    elements = []
    while data:
        element = _decode_element(data)
        elements.append(element)
        data = data[len(element.encoding) :]
    return elements


def take(elements: list[Element], tag: int) -> Element:
    """Remove and return the first element, which must have that tag."""
    if not elements or elements[0].tag != tag:
        raise _fault()
    return elements.pop(0)


def decode_integer(element: Element) -> int:
    """Return a non-negative INTEGER in its only encoding."""
    content = element.content
    padded = len(content) > 1 and content[0] == 0 and content[1] < 0x80
    if element.tag != INTEGER or not content or content[0] >= 0x80 or padded:
        raise _fault()
    return int.from_bytes(content)
