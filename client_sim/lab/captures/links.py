"""Link layers: removal of the headers around an IP packet.

Link types are those of the registry of draft-ietf-opsawg-pcaplinktype.
"""

from dataclasses import dataclass
from typing import Final

IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
"""EtherTypes of IEEE 802."""

_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})  # VLAN
_TAGS_LIMIT: Final = 4
_NULL, _ETHERNET, _RAW, _LOOP, _COOKED, _IP4, _IP6, _COOKED2 = 0, 1, 101, 108, 113, 228, 229, 276
_RAW_ALIASES: Final = frozenset({12, 14, _RAW, _IP4, _IP6})
# Address families of the BSDs for IPv6 differ; each writes its own into the header.
_FAMILIES: Final = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}


@dataclass(frozen=True, slots=True)
class Inner:
    """What a frame carries: an EtherType and its bytes."""

    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Opaque:
    """A frame that is not taken apart: why, in a few words."""

    label: str


def strip_link(link: int, data: bytes) -> Inner | Opaque:
    """Take off the link layer of a frame, VLAN tags included."""
    if link in _RAW_ALIASES:
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
        return Opaque("raw frame that is no IP packet")
    return Inner(IPV4 if version == 4 else IPV6, data)


def _strip_loopback(data: bytes) -> Inner | Opaque:
    # The family is in the byte order of the machine that captured, which may be another one.
    families = (int.from_bytes(data[:4]), int.from_bytes(data[:4], "little"))
    for family in families:
        if len(data) >= 4 and family in _FAMILIES:
            return Inner(_FAMILIES[family], data[4:])
    return Opaque("loopback frame that is no IP packet")


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
