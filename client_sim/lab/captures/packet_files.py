"""Readers of packet captures: classic pcap, and pcapng with its interfaces and keys.

Formats: draft-ietf-opsawg-pcap, sections 4 and 5; draft-ietf-opsawg-pcapng, sections 3 and 4.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO, Final

from client_sim.lab.errors import CaptureError

FRAME_LIMIT: Final = 262_144
"""The maximum of bytes in a frame, which is also the limit of tcpdump."""

FRAMES_LIMIT: Final = 2_000_000
"""The maximum of frames in a capture: days of polls, and some minutes of work."""

MAGICS: Final[Mapping[bytes, tuple[str, int]]] = MappingProxyType(
    {
        b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
        b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
        b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
        b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    }
)
"""The byte order and the fractions of a second, by the first four bytes."""

_LINK: Final = 0xFFFF  # the higher bits are the length of a checksum at the end of frames

SECTION: Final = b"\x0a\x0d\x0d\x0a"
"""The first four bytes of a pcapng file, in either byte order."""

_SIMPLE, _ENHANCED = 3, 6  # blocks of packets
_TLS_KEY_LOG: Final = 0x544C534B
_RESOLUTION, _OFFSET = 9, 14  # options of an interface
_BLOCK_LIMIT: Final = 16 * 1024 * 1024
_INTERFACES_LIMIT: Final = 1024
_BLOCKS_LIMIT: Final = 2 * FRAMES_LIMIT  # with counters, names and comments between frames


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its number from 1, its time (epoch seconds), its link type, and its bytes.

    `length` is its length on the wire, of which `len(data)` bytes were captured.
    """

    number: int
    at: float
    link: int
    data: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Secrets:
    """A key log in the capture, in the NSS format."""

    data: bytes


@dataclass(frozen=True, slots=True)
class UnknownBlock:
    """A block of the capture that this reader does not interpret: its kind and its bytes."""

    label: str
    data: bytes


class Source:
    """A capture that is read sequentially; tracks the offset for messages."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset = 0

    def take(self, count: int, part: str) -> bytes:
        """Read exactly `count` bytes; raise CaptureError if the capture ends before."""
        data = self._file.read(count)
        if len(data) < count:
            raise CaptureError(
                f"the capture is cut off in {part}, {self.offset + len(data)} bytes from its"
                " beginning: let the program that writes it end, or copy it again"
            )
        self.offset += count
        return data

    def peek_end(self) -> bool:
        """Return whether the end was reached."""
        data = self._file.read(1)
        self._file.seek(-len(data), 1)
        return not data


def check_frame(number: int, captured: int) -> None:
    """Raise CaptureError if there are too many frames or a frame has too many bytes."""
    if number > FRAMES_LIMIT:
        raise CaptureError(f"the capture has more than {FRAMES_LIMIT} frames: cut it into parts")
    if captured > FRAME_LIMIT:
        raise CaptureError(f"frame {number} claims to have {captured} bytes: this is not a capture")


def read_pcap(source: Source) -> Iterator[Frame]:
    """Yield the frames of a pcap file; raise CaptureError if it is malformed."""
    magic = source.take(4, "the header")
    if magic not in MAGICS:
        raise CaptureError("the file is not a pcap file")
    order, parts = MAGICS[magic]
    major, _, _, _, _, link = struct.unpack(f"{order}HHiIII", source.take(20, "the header"))
    if major != 2:
        raise CaptureError(f"the capture has version {major} of pcap: convert it to version 2")
    number = 0
    while not source.peek_end():
        number += 1
        head = source.take(16, f"the header of frame {number}")
        seconds, fraction, captured, length = struct.unpack(f"{order}IIII", head)
        check_frame(number, captured)
        data = source.take(captured, f"frame {number}")
        yield Frame(number, seconds + fraction / parts, link & _LINK, data, max(length, captured))


@dataclass(frozen=True, slots=True)
class _Interface:
    link: int
    snapshot_length: int
    parts: int  # of a second
    offset: int  # seconds

    def time(self, high: int, low: int) -> float:
        return self.offset + (high << 32 | low) / self.parts


def read_pcapng(source: Source) -> Iterator[Frame | Secrets | UnknownBlock]:
    """Yield the frames, keys and unknown blocks of a pcapng file; raise CaptureError."""
    order = "<"
    interfaces: list[_Interface] = []
    number = blocks = 0
    while not source.peek_end():
        blocks += 1
        if blocks > _BLOCKS_LIMIT:
            raise CaptureError(
                f"the capture has more than {_BLOCKS_LIMIT} blocks: cut it into parts"
            )
        head = source.take(8, "the header of a block")
        if head[:4] == SECTION:
            order, interfaces = _read_section(source, head), []
            continue
        if not source.offset > 8:
            raise CaptureError("the file is not a pcapng file")
        kind, size = struct.unpack(f"{order}II", head)
        body = _read_body(source, order, size)
        match kind:
            case 1:
                interfaces.append(_read_interface(order, body))
                if len(interfaces) > _INTERFACES_LIMIT:
                    raise CaptureError("the capture has too many interfaces")
            case 2 | 3 | 6:
                number += 1
                yield _read_packet(order, kind, body, interfaces, number)
            case 4 | 5:
                pass  # host names known to the capturing machine, and its statistics
            case 10:
                yield _read_secrets(order, body)
            case _:
                yield UnknownBlock(f"pcapng block of type {kind:#x}", body)


def _read_section(source: Source, head: bytes) -> str:
    magic = source.take(4, "the header of a section")
    order = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}.get(magic)
    if order is None:
        raise CaptureError("the header of a section has no byte order: this is not a pcapng file")
    (size,) = struct.unpack(f"{order}I", head[4:])
    body = _read_body(source, order, size - 4, already_read=4)
    if len(body) < 12:
        raise CaptureError("the header of a section is too short")
    (major,) = struct.unpack_from(f"{order}H", body)
    if major != 1:
        raise CaptureError(f"the capture has version {major} of pcapng: convert it to version 1")
    return order


def _read_body(source: Source, order: str, size: int, already_read: int = 0) -> bytes:
    """Read the rest of a block; `size` excludes the bytes that were `already_read`."""
    if size < 12 or size % 4 or size > _BLOCK_LIMIT:
        raise CaptureError(
            f"a block claims to have {size + already_read} bytes: this is not a pcapng file"
        )
    body = source.take(size - 12, "a block")
    (repeated,) = struct.unpack(f"{order}I", source.take(4, "the end of a block"))
    if repeated != size + already_read:
        raise CaptureError(f"the two lengths of the block that ends at {source.offset} differ")
    return body


def _read_interface(order: str, body: bytes) -> _Interface:
    if len(body) < 8:
        raise CaptureError("the description of an interface is too short")
    link, _, snapshot_length = struct.unpack_from(f"{order}HHI", body)
    parts, offset, at = 1_000_000, 0, 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(f"{order}HH", body, at)
        value = body[at + 4 : at + 4 + size]
        if code == 0:
            break
        if code == _RESOLUTION and len(value) == 1:
            exponent = value[0] & 0x7F
            parts = 1 << exponent if value[0] & 0x80 else 10 ** min(exponent, 19)
        elif code == _OFFSET and len(value) == 8:
            (offset,) = struct.unpack(f"{order}q", value)
        at += 4 + (size + 3) // 4 * 4
    return _Interface(link, snapshot_length, parts, offset)


def _read_packet(
    order: str, kind: int, body: bytes, interfaces: list[_Interface], number: int
) -> Frame:
    if kind == _SIMPLE:
        (length,) = struct.unpack_from(f"{order}I", _check_length(body, 4, number))
        interface = _find_interface(interfaces, 0, number)
        captured = min(length, interface.snapshot_length or FRAME_LIMIT)
        at, start = 0.0, 4
    else:
        form = "IIIII" if kind == _ENHANCED else "HHIIII"
        fields = struct.unpack_from(f"{order}{form}", _check_length(body, 20, number))
        high, low, captured, length = fields[-4:]
        interface = _find_interface(interfaces, fields[0], number)
        at, start = interface.time(high, low), 20
    check_frame(number, captured)
    data = _check_length(body, start + captured, number)[start : start + captured]
    return Frame(number, at, interface.link, data, max(length, captured))


def _check_length(body: bytes, length: int, number: int) -> bytes:
    if len(body) < length:
        raise CaptureError(f"frame {number} is longer than its block: this is not a pcapng file")
    return body


def _find_interface(interfaces: list[_Interface], place: int, number: int) -> _Interface:
    if place >= len(interfaces):
        raise CaptureError(f"frame {number} is of an interface that the capture does not describe")
    return interfaces[place]


def _read_secrets(order: str, body: bytes) -> Secrets | UnknownBlock:
    if len(body) < 8:
        raise CaptureError("a block of keys is too short")
    kind, size = struct.unpack_from(f"{order}II", body)
    if kind != _TLS_KEY_LOG:
        return UnknownBlock(f"pcapng secrets of type {kind:#x}", body[8:])
    if len(body) < 8 + size:
        raise CaptureError("a block of keys is shorter than it says")
    return Secrets(body[8 : 8 + size])
