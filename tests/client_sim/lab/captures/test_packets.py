"""IP packets, their extension headers and their fragments."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.fragments import Fragments
from client_sim.lab.captures.links import IPV4, IPV6, Inner, Opaque
from client_sim.lab.captures.packets import Packet, read_packet
from fixtures.packet_writer import ip_packet

NEAR, FAR = ip_address("192.0.2.7").packed, ip_address("198.51.100.1").packed
NEAR_6, FAR_6 = ip_address("2001:db8::7").packed, ip_address("2001:db8::1").packed
WHOLE = ip_packet("192.0.2.7", "198.51.100.1", 17, b"payload")


def test_a_packet_ends_where_it_says():
    """What the frame has behind it is kept apart."""
    assert read_packet(Inner(IPV4, WHOLE + b"fcs!")) == Packet(
        NEAR, FAR, 17, b"payload", behind=b"fcs!", identity=1
    )


def test_a_packet_that_was_not_kept_whole_says_how_much_is_missing():
    """Five of seven bytes are there."""
    read = read_packet(Inner(IPV4, WHOLE[:-2]))
    assert (read.payload, read.missing) == (b"paylo", 2)


def test_options_are_kept():
    """A header of 24 bytes has four of them."""
    data = bytes([0x46]) + WHOLE[1:2] + b"\0\x1f" + WHOLE[4:20] + b"\x07\x04\0\0" + b"payload"
    read = read_packet(Inner(IPV4, data))
    assert (read.options, read.payload) == (b"\x07\x04\0\0", b"payload")


def test_a_length_of_0_is_that_of_a_segment_that_the_network_card_cuts():
    """All that is there belongs to it."""
    assert read_packet(Inner(IPV4, WHOLE[:2] + b"\0\0" + WHOLE[4:])).payload == b"payload"


def test_extension_headers_are_walked_through():
    """Hop-by-hop, routing, destination options and authentication, in front of UDP."""
    hop, routing = b"\x2b\0" + bytes(6), b"\x3c\x01" + bytes(14)
    destination, authentication = b"\x33\0" + bytes(6), b"\x11\x04" + bytes(22)
    extensions = hop + routing + destination + authentication
    data = ip_packet("2001:db8::7", "2001:db8::1", 0, extensions + b"payload")
    assert read_packet(Inner(IPV6, data)) == Packet(
        NEAR_6, FAR_6, 17, b"payload", options=extensions
    )


def test_a_fragment_of_ipv6_has_its_place_and_its_identity():
    """Offset 16, more follow, identity 0x01020304."""
    head = b"\x11\0\x00\x11\x01\x02\x03\x04"
    data = ip_packet("2001:db8::7", "2001:db8::1", 44, head + b"middle")
    read = read_packet(Inner(IPV6, data))
    assert (read.place, read.more, read.identity) == (16, True, 0x01020304)
    assert read.is_fragment


@pytest.mark.parametrize("kind", [IPV4, IPV6])
@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_opaque(kind, data):
    """Nothing is raised, and no payload is longer than the bytes."""
    read = read_packet(Inner(kind, data))
    assert isinstance(read, Opaque) or len(read.payload) <= len(data)


def cut(payload, size):
    """Cut a payload into fragments of one packet."""
    places = range(0, len(payload), size)
    return [
        Packet(
            NEAR,
            FAR,
            17,
            payload[place : place + size],
            place=place,
            more=place + size < len(payload),
            identity=9,
        )
        for place in places
    ]


@given(st.binary(min_size=17, max_size=200), st.randoms())
def test_fragments_in_any_order_are_the_packet(payload, order):
    """The last that comes gives the whole, and sent twice is sent once."""
    pieces = cut(payload, 8)
    order.shuffle(pieces)
    fragments = Fragments()
    results = [fragments.add(piece) for piece in [*pieces[:1], *pieces]]
    assert results[:-1] == [None] * len(pieces)
    assert (results[-1].payload, results[-1].is_fragment) == (payload, False)
    assert list(fragments.leftover()) == []


def test_fragments_that_contradict_or_lack_each_other_are_left_over():
    """They make no packet, and nothing of them is lost."""
    first, second, third = cut(bytes(range(24)), 8)
    fragments = Fragments()
    other = Packet(NEAR, FAR, 17, b"otherwise", place=8, more=True, identity=9)
    assert [fragments.add(piece) for piece in (first, second, other)] == [None] * 3
    assert set(fragments.leftover()) == {first, second, other}
    overlapping = Packet(NEAR, FAR, 17, bytes(8), place=4, more=True, identity=9)
    again = Fragments()
    assert [again.add(piece) for piece in (first, overlapping, third)] == [None] * 3
    assert len(list(again.leftover())) == 3
