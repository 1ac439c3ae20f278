"""A strict reader of DER, as far as a signature in a package needs it (X.690 sections 8 and 10)."""

from dataclasses import dataclass
from typing import Final

from client_sim.engine.errors import PackageError

INTEGER: Final = 0x02
OCTETS: Final = 0x04
OBJECT: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag octet and its content."""

    tag: int
    content: bytes

    def elements(self) -> list["Element"]:
        """Return the elements inside; raises PackageError."""
        return decode_elements(self.content)


def decode_elements(data: bytes) -> list[Element]:
    """Decode elements that fill `data` one after the other.

    Raises PackageError for tags of several octets, lengths not in their shortest form or
    indefinite, and anything cut short.
    """
    found = []
    position = 0
    while position < len(data):
        element, position = _decode(data, position)
        found.append(element)
    return found


def _decode(data: bytes, position: int) -> tuple[Element, int]:
    if position + 2 > len(data) or data[position] & 0x1F == 0x1F:
        raise PackageError("The package's signature is no DER.")
    tag, length = data[position], data[position + 1]
    position += 2
    if length >= 0x80:
        count = length & 0x7F
        octets = data[position : position + count]
        length = int.from_bytes(octets, "big")
        if not 1 <= count <= 4 or len(octets) != count or octets[0] == 0 or length < 0x80:
            raise PackageError("The package's signature is no DER.")
        position += count
    if length > len(data) - position:
        raise PackageError("The package's signature is cut short.")
    return Element(tag, data[position : position + length]), position + length
