"""TCP segments and UDP datagrams: ports and payload.

RFC 9293 section 3.1; RFC 768.
"""

from dataclasses import dataclass

FIN, SYN, RST, ACK = 1, 2, 4, 16
"""Control bits of TCP."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment; `missing` bytes of its payload were not kept by the capture."""

    source: int
    target: int
    sequence: int
    flags: int
    payload: bytes
    missing: int


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram; `behind` are bytes that the IP packet has and the datagram has not."""

    source: int
    target: int
    payload: bytes
    behind: bytes


def read_segment(payload: bytes, missing: int) -> Segment | None:
    """Read a TCP segment, or None where its header is damaged or was not kept."""
    if len(payload) < 20:
        return None
    head = (payload[12] >> 4) * 4
    if head < 20 or len(payload) < head:
        return None
    return Segment(
        source=int.from_bytes(payload[0:2]),
        target=int.from_bytes(payload[2:4]),
        sequence=int.from_bytes(payload[4:8]),
        flags=payload[13],
        payload=payload[head:],
        missing=missing,
    )


def read_datagram(payload: bytes) -> Datagram | None:
    """Read a UDP datagram, or None where its header is damaged or was not kept."""
    if len(payload) < 8:
        return None
    # 0 is the length of a datagram above 65,535 bytes (RFC 2675).
    size = int.from_bytes(payload[4:6]) or len(payload)
    if size < 8:
        return None
    return Datagram(
        source=int.from_bytes(payload[0:2]),
        target=int.from_bytes(payload[2:4]),
        payload=payload[8:size],
        behind=payload[size:],
    )
