"""A recorded connection written as the TCP segments that it may have come in.

A listener gets bytes, not segments. They are put into packets so that any reader of captures can
open the recording; sequence numbers, windows and the moment of an acknowledgement are made up.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import Final

_TCP: Final = 6
_SYN, _ACK, _PUSH, _FIN, _RST = 2, 16, 8, 1, 4
_SEGMENT: Final = 1400  # bytes, as over Ethernet


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes that passed at a time (epoch seconds), from the client or to it."""

    at: float
    from_client: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a connection: addresses as text, and ports."""

    client: tuple[str, int]
    server: tuple[str, int]


def encode_connection(
    ends: Ends, begun: float, passed: Iterable[Passed], ended: float, *, is_reset: bool = False
) -> Iterator[tuple[float, bytes]]:
    """Yield the packets of a connection, each with its time; the client may end it by a reset."""
    numbers = {True: 0, False: 0}

    def packet(at: float, from_client: bool, flags: int, data: bytes = b"") -> tuple[float, bytes]:
        sent = numbers[from_client]
        acknowledged = numbers[not from_client] if flags & _ACK else 0
        numbers[from_client] += len(data) + bool(flags & (_SYN | _FIN))
        near, far = (ends.client, ends.server) if from_client else (ends.server, ends.client)
        return at, _encode(near, far, (sent, acknowledged, flags), data)

    yield packet(begun, True, _SYN)
    yield packet(begun, False, _SYN | _ACK)
    yield packet(begun, True, _ACK)
    for each in passed:
        for start in range(0, len(each.data), _SEGMENT):
            piece = each.data[start : start + _SEGMENT]
            yield packet(each.at, each.from_client, _PUSH | _ACK, piece)
    if is_reset:
        yield packet(ended, True, _RST | _ACK)
        return
    yield packet(ended, True, _FIN | _ACK)
    yield packet(ended, False, _FIN | _ACK)
    yield packet(ended, True, _ACK)


def _encode(
    near: tuple[str, int], far: tuple[str, int], numbers: tuple[int, int, int], data: bytes
) -> bytes:
    # The zone of a link-local address has a meaning on its machine only.
    source, target = (ip_address(end[0].partition("%")[0]) for end in (near, far))
    sequence, acknowledged, flags = numbers
    ring = 0xFFFFFFFF
    head = struct.pack(
        ">HHIIBBHHH",
        near[1],
        far[1],
        sequence & ring,
        acknowledged & ring,
        0x50,
        flags,
        65535,
        0,
        0,
    )
    segment = head + data
    if isinstance(source, IPv4Address):
        pseudo = source.packed + target.packed + struct.pack(">HH", _TCP, len(segment))
        outer = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, _TCP, 0)
        outer += source.packed + target.packed
        outer = outer[:10] + _check_sum(outer) + outer[12:]
    else:
        pseudo = source.packed + target.packed + struct.pack(">II", len(segment), _TCP)
        outer = struct.pack(">IHBB", 6 << 28, len(segment), _TCP, 64)
        outer += source.packed + target.packed
    return outer + segment[:16] + _check_sum(pseudo + segment) + segment[18:]


def _check_sum(data: bytes) -> bytes:
    """Compute the check sum of RFC 1071."""
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)
