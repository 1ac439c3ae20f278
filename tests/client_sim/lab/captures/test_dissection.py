"""Frames are dissected into the phone's connections, DNS questions and other traffic."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.capture import State
from client_sim.lab.captures.dissection import Dissection
from client_sim.lab.captures.packet_files import Frame, UnknownBlock
from client_sim.lab.errors import CaptureError
from fixtures.captures import POLL, SERVER, poll
from fixtures.packet_writer import (
    ACK,
    FIN,
    PHONE,
    PHONE_6,
    RESOLVER,
    SYN,
    Sent,
    connection,
    dns_name,
    ip_packet,
    tcp,
    udp,
)

RST, PUSH = 4, 8
PORTS, BACK = (40_000, 80), (80, 40_000)
QUESTION = dns_name("a.example") + b"\0\1\0\1"
ASKED = struct.pack(">6H", 1, 256, 1, 0, 0, 0) + QUESTION


def dissect(packets, phones=(), link=101, limit=1_000_000):
    """Dissect raw packets."""
    dissection = Dissection(frozenset(ip_address(each).packed for each in phones), limit)
    for number, packet in enumerate(packets, 1):
        data = packet.data if isinstance(packet, Sent) else packet
        dissection.add(Frame(number, float(number), link, data, len(data)))
    return dissection.finish("pcap")


def sent(sequence, flags, payload=b""):
    """Return a segment of the phone."""
    return tcp(PHONE, SERVER, PORTS, (sequence, 0, flags), payload)


def received(sequence, flags, payload=b""):
    """Return a segment of the server."""
    return tcp(SERVER, PHONE, BACK, (sequence, 0, flags), payload)


def test_poll_is_a_question_and_a_connection():
    """Bytes, addresses and times are those of the phone's side."""
    capture = dissect(poll(0, SERVER))
    (talk,) = capture.conversations
    assert (talk.data, talk.state, talk.gaps, talk.contradictions) == (
        b"".join(POLL),
        State.PLAIN,
        (),
        (),
    )
    assert (talk.local, talk.target, talk.frame) == (
        f"{PHONE}:40000",
        f"{SERVER} 8080 plain".encode(),
        3,
    )
    assert [question.name for question in capture.dns_questions] == [b"updates.hening.example"]
    assert capture.addresses == {b"updates.hening.example": frozenset({SERVER})}
    assert capture.other_traffic == ()


def test_phone_opens_connections_unless_it_is_given():
    """With the phone's address, only that side's bytes are judged."""
    packets = list(connection(0, PORTS, SERVER, [(b"asked", b"answered")]))
    assert dissect(packets).conversations[0].data == b"asked"
    assert dissect(packets, [SERVER]).conversations[0].data == b"answered"
    capture = dissect(packets, [PHONE_6])
    assert capture.conversations == ()
    assert capture.others == {"TCP segments": len(packets)}


def test_connections_with_the_same_ports_are_separated():
    """A new SYN begins a new connection.

    Data with a SYN (TCP Fast Open) are the beginning. Data with a reset belong to no stream, but
    are kept, and so are unknown parts of the capture.
    """
    packets = [
        *(sent(100, SYN), sent(100, SYN), received(500, SYN | ACK)),
        sent(101, PUSH | ACK, b"one"),
        *(sent(104, FIN | ACK), sent(9000, SYN), sent(9001, PUSH | ACK, b"two")),
    ]
    assert [talk.data for talk in dissect(packets).conversations] == [b"one", b"two"]
    (talk,) = dissect([sent(100, SYN, b"early"), sent(106, ACK, b"later")]).conversations
    assert talk.data == b"earlylater"
    (talk,) = dissect([sent(100, SYN), sent(101, RST, b"leak")]).conversations
    assert talk.contradictions == (("with a reset", b"leak"),)
    dissection = Dissection(frozenset(), 1000)
    dissection.add_unknown(UnknownBlock("block", b"x"))
    assert [each.label for each in dissection.finish("pcapng").other_traffic] == ["block"]


def test_gaps_of_a_connection():
    """Missing segments, cut frames and a late start; the side with the larger port is the phone."""
    missing, cut = "6 bytes are missing at offset 3", "2 bytes are missing"
    late = "the capture starts after the beginning of the connection"
    for packets, data, gaps in (
        ([sent(100, SYN), sent(101, ACK, b"abc"), sent(110, ACK, b"x")], b"abcx", [missing]),
        ([sent(100, SYN), sent(101, ACK, b"abcdef")[:-2]], b"abcd", [cut]),
        ([received(500, ACK, b"answer"), sent(100, ACK, b"asked")], b"asked", [late]),
        ([received(500, SYN | ACK), sent(100, ACK, b"asked")], b"asked", []),
    ):
        (talk,) = dissect(packets).conversations
        assert (talk.local, talk.data, [*talk.gaps]) == (f"{PHONE}:40000", data, gaps)


def test_dns_question_in_fragments_and_over_tcp():
    """Fragments may arrive in any order; over TCP a question has two bytes of length."""
    whole = udp(PHONE, RESOLVER, (4000, 53), ASKED)
    payload = whole[20:]
    sizes = (struct.pack(">H", 20 + size) for size in (24, len(payload) - 24))
    first, second = (
        whole[:2] + size + whole[4:6] + place + whole[8:20] + part
        for size, place, part in zip(
            *(sizes, (b"\x20\0", b"\0\3"), (payload[:24], payload[24:])), strict=True
        )
    )
    assert [q.name for q in dissect([second, first]).dns_questions] == [b"a.example"]
    (other_traffic,) = dissect([second]).other_traffic
    assert other_traffic.label == "fragments that do not fit together"
    message = len(ASKED).to_bytes(2) + ASKED
    capture = dissect(connection(0, (40_000, 53), RESOLVER, [(message, b"")]))
    assert [q.name for q in capture.dns_questions] == [b"a.example"]
    assert capture.conversations[0].state is State.NAMES


# A datagram of nine bytes in a packet with room for twelve, and an IP header with a timestamp.
PADDED = ip_packet(PHONE, SERVER, 17, struct.pack(">4H", 1, 9, 9, 0) + b"leak")
OPTIONS = b"\x46\0\0\x20" + PADDED[4:20] + b"\x44\4\5\0" + struct.pack(">4H", 1, 9, 8, 0)


def test_other_protocols_are_kept():
    """Every other protocol has a label and keeps its bytes."""
    for packet, label in (
        (udp(PHONE, SERVER, (4000, 443), b"\xc0quic"), "UDP port 443 (QUIC)"),
        (udp(PHONE, "224.0.0.251", (5353, 5353), b"mdns"), "UDP port 5353 (mDNS)"),
        (udp(PHONE, SERVER, (4000, 9), b"x"), "UDP port 9"),
        (udp(PHONE, RESOLVER, (4000, 53), b"tunnel"), "port 53 without a DNS question"),
        (ip_packet(PHONE, SERVER, 1, b"\x08\0ping"), "ICMP"),
        (ip_packet(PHONE, SERVER, 47, b"gre"), "GRE"),
        (ip_packet(PHONE, SERVER, 253, b"x"), "IP protocol 253"),
        (ip_packet(PHONE, SERVER, 6, b"short"), "damaged TCP segment"),
        (ip_packet(PHONE, SERVER, 17, b"short"), "damaged UDP datagram"),
        (ip_packet(PHONE_6, "2001:db8::1", 58, b"\x80\0echo"), "ICMPv6"),
        (b"\x45short", "damaged IPv4 packet"),
        (b"\x60short", "damaged IPv6 packet"),
        (b"\x50", "raw frame without an IP packet"),
        (sent(1, SYN) + b"etherleak", "bytes after a packet"),
        (udp(PHONE, SERVER, (1, 9), b"")[:-2] + b"\0\0", "UDP port 9"),
        (udp(PHONE, SERVER, (1, 9), b"abcd")[:-1], "truncated datagrams"),
        (PADDED, "bytes after a datagram"),
        (OPTIONS, "IP options"),
    ):
        other_traffic = [each for each in dissect([packet]).other_traffic if each.label == label]
        assert len(other_traffic) == 1, label


def test_local_and_foreign_traffic_is_counted():
    """Neighbour discovery and groups, and packets that are not from the phone, are only counted."""
    frames = [
        ip_packet(PHONE_6, "ff02::1", 58, b"\x87\0neighbour"),
        ip_packet(PHONE, "224.0.0.22", 2, b"\x22group"),
    ]
    capture = dissect(frames)
    assert capture.ignored == {"ICMPv6 on the link": 1, "IGMP": 1}
    assert dissect([bytes(12) + b"\x08\x06arp"], link=1).ignored == {"ARP": 1}
    assert (
        dissect([bytes(12) + b"\x88\x8ekey"], link=1).other_traffic[0].label == "EtherType 0x888e"
    )
    packets = [
        udp(SERVER, RESOLVER, (4000, 9), b"x"),
        ip_packet(SERVER, RESOLVER, 1, b"ping"),
        ip_packet(SERVER, PHONE, 1, b"ping"),
    ]
    capture = dissect(packets, [PHONE])
    assert capture.other_traffic == ()
    assert capture.others == {"UDP datagrams": 1, "ICMP": 1}


# The first fragment of a packet that is never complete: bit 13 means that more follow.
FRAGMENT = ip_packet(PHONE, SERVER, 17, b"x" * 480)
FRAGMENT = FRAGMENT[:6] + b"\x20\0" + FRAGMENT[8:]


def test_size_of_a_capture_is_limited(monkeypatch):
    """Streams, datagrams, other protocols, DNS answers, fragments, connections and flows."""
    for packet in (
        sent(1, ACK, b"x" * 500),
        udp(PHONE, SERVER, (1, 9), b"x" * 500),
        ip_packet(PHONE, SERVER, 253, b"x" * 500),
        FRAGMENT,
        udp(RESOLVER, PHONE, (53, 4000), struct.pack(">6H", 1, 0x8180, 1, 9, 0, 0) + b"x" * 90),
    ):
        with pytest.raises(CaptureError, match="more than 100 bytes left"):
            dissect([packet], limit=100)
    fragments = [FRAGMENT[:4] + struct.pack(">H", number) + FRAGMENT[6:] for number in range(20)]
    with pytest.raises(CaptureError, match="more than 5000 bytes left"):
        dissect(fragments, limit=5_000)
    monkeypatch.setattr("client_sim.lab.captures.connections._LIMIT", 2)
    scan = [tcp(PHONE, SERVER, (4000, port), (1, 0, SYN), b"") for port in range(3)]
    with pytest.raises(CaptureError, match="more than 2 connections"):
        dissect(scan)
    with pytest.raises(CaptureError, match="more than 2 flows"):
        dissect([udp(PHONE, SERVER, (4000, port), b"") for port in range(1, 4)])


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([p.data for p in poll(0, SERVER)]))),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 150), st.integers(0, 255)), max_size=8),
    st.sampled_from([0, 1, 101, 113, 276, 999]),
)
def test_arbitrary_frames_are_dissected(frames, changes, link):
    """Damaged packets raise nothing but CaptureError."""
    for place, offset, byte in changes:
        if place < len(frames) and offset < len(frames[place]):
            frame = frames[place]
            frames[place] = frame[:offset] + bytes([byte]) + frame[offset + 1 :]
    capture = dissect(frames, link=link)
    assert capture.frames == len(frames)
