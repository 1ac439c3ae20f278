"""Link layers, from their descriptions in the registry of link types."""

import pytest

from client_sim.lab.captures.links import ARP, IPV4, IPV6, Inner, Opaque, strip_link

FOUR, SIX = b"\x45four", b"\x60six"
MACS = bytes(12)


@pytest.mark.parametrize(
    ("link", "data", "inner"),
    [
        (1, MACS + b"\x08\x00" + FOUR, Inner(IPV4, FOUR)),
        (1, MACS + b"\x86\xdd" + SIX, Inner(IPV6, SIX)),
        (1, MACS + b"\x08\x06arp", Inner(ARP, b"arp")),
        (1, MACS + b"\x81\x00\x00\x05\x08\x00" + FOUR, Inner(IPV4, FOUR)),
        (1, MACS + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x86\xdd" + SIX, Inner(IPV6, SIX)),
        (1, MACS + b"\x88\x8ekey", Inner(0x888E, b"key")),
        (113, bytes(14) + b"\x08\x00" + FOUR, Inner(IPV4, FOUR)),
        (276, b"\x86\xdd" + bytes(18) + SIX, Inner(IPV6, SIX)),
        (101, FOUR, Inner(IPV4, FOUR)),
        *((link, SIX, Inner(IPV6, SIX)) for link in (12, 14, 229)),
        (228, FOUR, Inner(IPV4, FOUR)),
        (0, b"\x02\0\0\0" + FOUR, Inner(IPV4, FOUR)),
        (0, b"\0\0\0\x1e" + SIX, Inner(IPV6, SIX)),
        (108, b"\0\0\0\x02" + FOUR, Inner(IPV4, FOUR)),
    ],
)
def test_what_stands_around_a_packet_is_taken_off(link, data, inner):
    """VLAN tags too; the family of a loopback may be in either byte order."""
    assert strip_link(link, data) == inner


@pytest.mark.parametrize(
    ("link", "data", "label"),
    [
        (1, MACS + b"\x00\x40llc", "IEEE 802.2 frame"),
        (1, MACS + b"\x08", "frame shorter than its link layer"),
        (276, bytes(19), "frame shorter than its link layer"),
        (101, b"", "raw frame that is no IP packet"),
        (101, b"\x50", "raw frame that is no IP packet"),
        (0, b"\x07\0\0\0" + FOUR, "loopback frame that is no IP packet"),
        (127, b"radio", "link type 127"),
    ],
)
def test_what_cannot_be_taken_apart_has_a_name(link, data, label):
    """It is counted under it, and not passed over."""
    assert strip_link(link, data) == Opaque(label)
