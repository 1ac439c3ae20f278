"""The classic capture file of tcpdump: a header of 24 bytes, then frames.

Format: draft-ietf-opsawg-pcap, sections 4 and 5.
"""

import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from client_sim.lab.captures.frame import Frame, Source, check_frame
from client_sim.lab.errors import CaptureError

MAGICS: Final[Mapping[bytes, tuple[str, int]]] = MappingProxyType(
    {
        b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
        b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
        b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
        b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    }
)
"""First four bytes: byte order and parts of a second."""

_LINK: Final = 0xFFFF  # the bits above say how long a check sum at the end of frames is


def read_pcap(source: Source) -> Iterator[Frame]:
    """Read the frames one by one; raise CaptureError where the file is damaged."""
    magic = source.take(4, "the header")
    if magic not in MAGICS:
        raise CaptureError("the file is no pcap")
    order, parts = MAGICS[magic]
    major, _, _, _, _, link = struct.unpack(f"{order}HHiIII", source.take(20, "the header"))
    if major != 2:
        raise CaptureError(f"the capture has version {major} of pcap: write it anew as version 2")
    number = 0
    while not source.peek_end():
        number += 1
        head = source.take(16, f"the head of frame {number}")
        seconds, fraction, kept, length = struct.unpack(f"{order}IIII", head)
        check_frame(number, kept)
        data = source.take(kept, f"frame {number}")
        yield Frame(number, seconds + fraction / parts, link & _LINK, data, max(length, kept))
