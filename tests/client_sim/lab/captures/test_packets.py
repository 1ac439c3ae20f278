"""Link layers, IP packets, extension headers and fragments."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.packets import (
    ARP,
    IPV4,
    IPV6,
    Fragments,
    Inner,
    Opaque,
    Packet,
    read_packet,
    strip_link,
)
from fixtures.packet_writer import ip_packet

FOUR, SIX = b"\x45four", b"\x60six"
MACS = bytes(12)
NEAR, FAR = ip_address("192.0.2.7").packed, ip_address("198.51.100.1").packed
NEAR_6, FAR_6 = ip_address("2001:db8::7").packed, ip_address("2001:db8::1").packed
WHOLE = ip_packet("192.0.2.7", "198.51.100.1", 17, b"payload")


def test_strip_link():
    """VLAN tags are removed; the family of a loopback frame has either byte order."""
    for link, data, inner in (
        (1, MACS + b"\x08\x00" + FOUR, Inner(IPV4, FOUR)),
        (1, MACS + b"\x86\xdd" + SIX, Inner(IPV6, SIX)),
        (1, MACS + b"\x08\x06arp", Inner(ARP, b"arp")),
        (1, MACS + b"\x81\x00\x00\x05\x08\x00" + FOUR, Inner(IPV4, FOUR)),
        (1, MACS + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x86\xdd" + SIX, Inner(IPV6, SIX)),
        (1, MACS + b"\x88\x8ekey", Inner(0x888E, b"key")),
        (113, bytes(14) + b"\x08\x00" + FOUR, Inner(IPV4, FOUR)),
        (276, b"\x86\xdd" + bytes(18) + SIX, Inner(IPV6, SIX)),
        *((link, FOUR, Inner(IPV4, FOUR)) for link in (101, 228)),
        *((link, SIX, Inner(IPV6, SIX)) for link in (12, 14, 229)),
        (0, b"\x02\0\0\0" + FOUR, Inner(IPV4, FOUR)),
        (0, b"\0\0\0\x1e" + SIX, Inner(IPV6, SIX)),
        (108, b"\0\0\0\x02" + FOUR, Inner(IPV4, FOUR)),
        (1, MACS + b"\x00\x40llc", Opaque("IEEE 802.2 frame")),
        (1, MACS + b"\x08", Opaque("frame shorter than its link layer")),
        (276, bytes(19), Opaque("frame shorter than its link layer")),
        *((101, data, Opaque("raw frame without an IP packet")) for data in (b"", b"\x50")),
        (0, b"\x07\0\0\0" + FOUR, Opaque("loopback frame without an IP packet")),
        (127, b"radio", Opaque("link type 127")),
    ):
        assert strip_link(link, data) == inner, (link, data)


def test_read_ipv4_packet():
    """Bytes after the packet and options are kept separately, and missing bytes are counted.

    Length 0 means segmentation by the network card: the payload is the rest of the frame.
    """
    whole = Packet(NEAR, FAR, 17, b"payload", trailer=b"fcs!", identity=1)
    assert read_packet(Inner(IPV4, WHOLE + b"fcs!")) == whole
    short = read_packet(Inner(IPV4, WHOLE[:-2]))
    assert (short.payload, short.missing) == (b"paylo", 2)
    options = b"\x07\x04\0\0"
    with_options = read_packet(
        Inner(IPV4, b"\x46" + WHOLE[1:2] + b"\0\x1f" + WHOLE[4:20] + options + b"payload")
    )
    assert (with_options.options, with_options.payload) == (options, b"payload")
    assert read_packet(Inner(IPV4, WHOLE[:2] + b"\0\0" + WHOLE[4:])).payload == b"payload"


def test_read_ipv6_packet():
    """Four extension headers before UDP, and a fragment."""
    hop, routing = b"\x2b\0" + bytes(6), b"\x3c\x01" + bytes(14)
    destination, authentication = b"\x33\0" + bytes(6), b"\x11\x04" + bytes(22)
    extensions = hop + routing + destination + authentication
    data = ip_packet("2001:db8::7", "2001:db8::1", 0, extensions + b"payload")
    assert read_packet(Inner(IPV6, data)) == Packet(
        NEAR_6, FAR_6, 17, b"payload", options=extensions
    )
    head = b"\x11\0\x00\x11\x01\x02\x03\x04"  # offset 16, more follow
    read = read_packet(Inner(IPV6, ip_packet("2001:db8::7", "2001:db8::1", 44, head + b"middle")))
    assert (read.place, read.more, read.identity) == (16, True, 0x01020304)
    assert read.is_fragment


@given(data=st.binary(max_size=80))
def test_arbitrary_bytes_are_a_packet_or_opaque(data):
    """No payload is longer than the bytes."""
    for kind in (IPV4, IPV6):
        read = read_packet(Inner(kind, data))
        assert isinstance(read, Opaque) or len(read.payload) <= len(data)


def fragment(payload, size):
    """Split a payload into fragments of one packet."""
    return [
        Packet(
            *(NEAR, FAR, 17, payload[place : place + size]),
            place=place,
            more=place + size < len(payload),
            identity=9,
        )
        for place in range(0, len(payload), size)
    ]


@given(st.binary(min_size=17, max_size=200), st.randoms())
def test_fragments_in_any_order(payload, order):
    """The last fragment completes the packet, and repeated ones are ignored."""
    pieces = fragment(payload, 8)
    order.shuffle(pieces)
    fragments = Fragments()
    results = [fragments.add(piece) for piece in [*pieces[:1], *pieces]]
    assert results[:-1] == [None] * len(pieces)
    assert (results[-1].payload, results[-1].is_fragment) == (payload, False)
    assert list(fragments.leftover()) == []


def test_contradicting_and_missing_fragments_are_left_over():
    """They make no packet, and all of them are kept."""
    first, second, third = fragment(bytes(range(24)), 8)
    other = Packet(NEAR, FAR, 17, b"otherwise", place=8, more=True, identity=9)
    overlapping = Packet(NEAR, FAR, 17, bytes(8), place=4, more=True, identity=9)
    for pieces in ((first, second, other), (first, overlapping, third)):
        fragments = Fragments()
        assert [fragments.add(piece) for piece in pieces] == [None] * 3
        assert set(fragments.leftover()) == set(pieces)
