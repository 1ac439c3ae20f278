"""Parsers of frames and packets: link layers, IP with fragments, TCP and UDP headers.

Link types are those of the registry of draft-ietf-opsawg-pcaplinktype. IP: RFC 791 sections 3.1 and
3.2, RFC 8200 sections 3 to 4.5; overlapping fragments are rejected (RFC 5722). TCP: RFC 9293
section 3.1. UDP: RFC 768.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
"""EtherTypes of IEEE 802."""

_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})  # VLAN
_TAGS_LIMIT: Final = 4
_RAW: Final = frozenset({12, 14, 101, 228, 229})  # IP without a link layer; there are several types
# The BSDs have different address families for IPv6.
_FAMILIES: Final = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}

HOP_BY_HOP, TCP, UDP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 6, 17, 43, 44, 51, 60
"""Protocol numbers."""

_MOBILITY: Final = 135
_EXTENSIONS: Final = frozenset({HOP_BY_HOP, ROUTING, AUTHENTICATION, DESTINATION, _MOBILITY})
_HEADERS_LIMIT: Final = 16

_LIMIT: Final = 256  # packets that wait for more fragments
_PIECES_LIMIT: Final = 1024  # fragments of one packet

FIN, SYN, RST, ACK = 1, 2, 4, 16
"""Control bits of TCP."""


@dataclass(frozen=True, slots=True)
class Inner:
    """The payload of a frame: its EtherType and its bytes."""

    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Opaque:
    """A frame that is not dissected, with the reason in a few words."""

    label: str


def strip_link(link: int, data: bytes) -> Inner | Opaque:
    """Remove the link layer of a frame, including VLAN tags."""
    if link in _RAW:
        return _by_version(data)
    match link:
        case 0 | 108:
            return _strip_loopback(data)
        case 1:
            return _strip_tags(data, 12)
        case 113:
            return _strip_tags(data, 14)
        case 276 if len(data) >= 20:
            return _strip_more_tags(int.from_bytes(data[:2]), data[20:])
        case 276:
            return Opaque("frame shorter than its link layer")
        case _:
            return Opaque(f"link type {link}")


def _by_version(data: bytes) -> Inner | Opaque:
    version = data[0] >> 4 if data else 0
    if version not in {4, 6}:
        return Opaque("raw frame without an IP packet")
    return Inner(IPV4 if version == 4 else IPV6, data)


def _strip_loopback(data: bytes) -> Inner | Opaque:
    # The family is in the byte order of the capturing machine, which is unknown.
    families = (int.from_bytes(data[:4]), int.from_bytes(data[:4], "little"))
    for family in families:
        if len(data) >= 4 and family in _FAMILIES:
            return Inner(_FAMILIES[family], data[4:])
    return Opaque("loopback frame without an IP packet")


def _strip_tags(data: bytes, at: int) -> Inner | Opaque:
    if len(data) < at + 2:
        return Opaque("frame shorter than its link layer")
    return _strip_more_tags(int.from_bytes(data[at : at + 2]), data[at + 2 :])


def _strip_more_tags(kind: int, data: bytes) -> Inner | Opaque:
    for _ in range(_TAGS_LIMIT):
        if kind not in _TAGS or len(data) < 4:
            break
        kind, data = int.from_bytes(data[2:4]), data[4:]
    if kind < 0x0600:
        return Opaque("IEEE 802.2 frame")
    return Inner(kind, data)


@dataclass(frozen=True, slots=True)
class Packet:
    """An IP packet or a fragment of one; addresses have 4 or 16 bytes.

    `options` are the bytes of IPv4 options or IPv6 extension headers, `trailer` the bytes of the
    frame after the packet, and `missing` the number of payload bytes that were not captured. For a
    fragment, `place` is the offset of its payload, `more` says whether others follow, and
    `identity` is the identification that all fragments share.
    """

    source: bytes
    target: bytes
    protocol: int
    payload: bytes
    options: bytes = b""
    trailer: bytes = b""
    missing: int = 0
    place: int = 0
    more: bool = False
    identity: int = 0

    @property
    def is_fragment(self) -> bool:
        """Whether the packet is a fragment."""
        return self.more or self.place > 0


def read_packet(inner: Inner) -> Packet | Opaque:
    """Read an IP packet, whose version must match `inner.kind`."""
    data = inner.data
    if inner.kind == IPV4:
        return _read_ipv4(data) if data and data[0] >> 4 == 4 else Opaque("damaged IPv4 packet")
    return _read_ipv6(data) if data and data[0] >> 4 == 6 else Opaque("damaged IPv6 packet")


def _read_ipv4(data: bytes) -> Packet | Opaque:
    head = (data[0] & 15) * 4
    # With segmentation offload, a packet may have a length of 0 when it is captured.
    total = int.from_bytes(data[2:4]) or len(data)
    if head < 20 or len(data) < head or total < head:
        return Opaque("damaged IPv4 packet")
    flags = int.from_bytes(data[6:8])
    return Packet(
        source=data[12:16],
        target=data[16:20],
        protocol=data[9],
        payload=data[head:total],
        options=data[20:head],
        trailer=data[total:],
        missing=max(0, total - len(data)),
        place=(flags & 0x1FFF) * 8,
        more=bool(flags & 0x2000),
        identity=int.from_bytes(data[4:6]),
    )


def _read_ipv6(data: bytes) -> Packet | Opaque:
    if len(data) < 40:
        return Opaque("damaged IPv6 packet")
    total = 40 + int.from_bytes(data[4:6])
    kind, at = data[6], 40
    place, more, identity = 0, False, 0
    captured = data[:total]
    for _ in range(_HEADERS_LIMIT):
        if kind == FRAGMENT and len(captured) >= at + 8:
            flags = int.from_bytes(captured[at + 2 : at + 4])
            place, more = flags & 0xFFF8, bool(flags & 1)
            identity = int.from_bytes(captured[at + 4 : at + 8])
            kind, at = captured[at], at + 8
            if place > 0:
                break  # the payload starts in the middle of a header or of data
        elif kind in _EXTENSIONS and len(captured) >= at + 8:
            size = (
                (captured[at + 1] + 2) * 4 if kind == AUTHENTICATION else (captured[at + 1] + 1) * 8
            )
            kind, at = captured[at], at + size
        else:
            break
    return Packet(
        source=data[8:24],
        target=data[24:40],
        protocol=kind,
        payload=captured[at:],
        options=captured[40:at],
        trailer=data[total:],
        missing=max(0, total - len(data)),
        place=place,
        more=more,
        identity=identity,
    )


@dataclass(slots=True)
class _Waiting:
    pieces: dict[int, Packet] = field(default_factory=dict)
    end: int | None = None


class Fragments:
    """Reassembles fragmented packets; `leftover` yields fragments that do not fit together."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bytes, bytes, int, int], _Waiting] = {}
        self._unusable: list[Packet] = []

    def add(self, packet: Packet) -> Packet | None:
        """Add a fragment; return the packet that it completes, or None."""
        key = (packet.source, packet.target, packet.protocol, packet.identity)
        # In IPv6 the first fragment's header has the protocol; the others repeat it (RFC 8200).
        waiting = self._waiting.setdefault(key, _Waiting())
        if len(self._waiting) > _LIMIT:
            self._give_up(next(iter(self._waiting)))
        known = waiting.pieces.get(packet.place)
        if known is not None and known.payload == packet.payload:
            return None
        if known is not None or len(waiting.pieces) == _PIECES_LIMIT or packet.missing:
            self._unusable.append(packet)
            return None
        waiting.pieces[packet.place] = packet
        if not packet.more:
            waiting.end = packet.place + len(packet.payload)
        payload = _join(waiting)
        if payload is None:
            return None
        del self._waiting[key]
        return replace(waiting.pieces[0], payload=payload, place=0, more=False)

    def leftover(self) -> Iterator[Packet]:
        """Yield the fragments that are not part of a complete packet."""
        for key in list(self._waiting):
            self._give_up(key)
        yield from self._unusable

    def _give_up(self, key: tuple[bytes, bytes, int, int]) -> None:
        self._unusable += self._waiting.pop(key).pieces.values()


def _join(waiting: _Waiting) -> bytes | None:
    if waiting.end is None:
        return None
    payload = b""
    for place, piece in sorted(waiting.pieces.items()):
        if place != len(payload):
            return None
        payload += piece.payload
    return payload if len(payload) == waiting.end else None


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment; `missing` bytes of its payload were not captured."""

    source: int
    target: int
    sequence: int
    flags: int
    payload: bytes
    missing: int


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram; `trailer` are the bytes of the IP packet after the datagram."""

    source: int
    target: int
    payload: bytes
    trailer: bytes


def read_segment(payload: bytes, missing: int) -> Segment | None:
    """Read a TCP segment; None if its header is malformed or was not captured."""
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
    """Read a UDP datagram; None if its header is malformed or was not captured."""
    if len(payload) < 8:
        return None
    # A datagram of more than 65,535 bytes has the length 0 (RFC 2675).
    size = int.from_bytes(payload[4:6]) or len(payload)
    if size < 8:
        return None
    return Datagram(
        source=int.from_bytes(payload[0:2]),
        target=int.from_bytes(payload[2:4]),
        payload=payload[8:size],
        trailer=payload[size:],
    )
