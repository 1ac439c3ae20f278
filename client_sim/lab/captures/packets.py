"""IP packets: addresses and payload, with all headers between them walked through.

RFC 791 section 3.1; RFC 8200 sections 3 and 4.
"""

from dataclasses import dataclass
from typing import Final

from client_sim.lab.captures.links import IPV4, Inner, Opaque

HOP_BY_HOP, TCP, UDP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 6, 17, 43, 44, 51, 60
"""Protocol numbers."""

_MOBILITY: Final = 135
_EXTENSIONS: Final = frozenset({HOP_BY_HOP, ROUTING, AUTHENTICATION, DESTINATION, _MOBILITY})
_HEADERS_LIMIT: Final = 16


@dataclass(frozen=True, slots=True)
class Packet:
    """An IP packet, whole or a fragment; addresses are 4 or 16 bytes.

    `options` are the bytes of IPv4 options and IPv6 extension headers, `behind` what the frame
    has after the packet, `missing` how many bytes of the payload the capture did not keep. For a
    fragment, `place` is where its payload starts, `more` whether others follow, `identity` what
    they have in common.
    """

    source: bytes
    target: bytes
    protocol: int
    payload: bytes
    options: bytes = b""
    behind: bytes = b""
    missing: int = 0
    place: int = 0
    more: bool = False
    identity: int = 0

    @property
    def is_fragment(self) -> bool:
        """Whether the payload is not all there is."""
        return self.more or self.place > 0


def read_packet(inner: Inner) -> Packet | Opaque:
    """Read an IP packet; `inner.kind` says which version it must be."""
    data = inner.data
    if inner.kind == IPV4:
        return _read_4(data) if data and data[0] >> 4 == 4 else Opaque("damaged IPv4 packet")
    return _read_6(data) if data and data[0] >> 4 == 6 else Opaque("damaged IPv6 packet")


def _read_4(data: bytes) -> Packet | Opaque:
    head = (data[0] & 15) * 4
    # A network card that cuts segments itself may see a length of 0 before it has done so.
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
        behind=data[total:],
        missing=max(0, total - len(data)),
        place=(flags & 0x1FFF) * 8,
        more=bool(flags & 0x2000),
        identity=int.from_bytes(data[4:6]),
    )


def _read_6(data: bytes) -> Packet | Opaque:
    if len(data) < 40:
        return Opaque("damaged IPv6 packet")
    total = 40 + int.from_bytes(data[4:6])
    kind, at = data[6], 40
    place, more, identity = 0, False, 0
    kept = data[:total]
    for _ in range(_HEADERS_LIMIT):
        if kind == FRAGMENT and len(kept) >= at + 8:
            flags = int.from_bytes(kept[at + 2 : at + 4])
            place, more = flags & 0xFFF8, bool(flags & 1)
            identity = int.from_bytes(kept[at + 4 : at + 8])
            kind, at = kept[at], at + 8
            if place > 0:
                break  # what follows is the middle of something
        elif kind in _EXTENSIONS and len(kept) >= at + 8:
            size = (kept[at + 1] + 2) * 4 if kind == AUTHENTICATION else (kept[at + 1] + 1) * 8
            kind, at = kept[at], at + size
        else:
            break
    return Packet(
        source=data[8:24],
        target=data[24:40],
        protocol=kind,
        payload=kept[at:],
        options=kept[40:at],
        behind=data[total:],
        missing=max(0, total - len(data)),
        place=place,
        more=more,
        identity=identity,
    )
