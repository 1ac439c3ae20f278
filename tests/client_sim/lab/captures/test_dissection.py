"""Frames taken apart: who is the phone, what left it, and what is neither."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.dissection import Dissection
from client_sim.lab.captures.packet_files import Frame, Unread
from client_sim.lab.captures.seen import State
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
    """Take raw packets apart."""
    dissection = Dissection(frozenset(ip_address(each).packed for each in phones), limit)
    for number, packet in enumerate(packets, 1):
        data = packet.data if isinstance(packet, Sent) else packet
        dissection.take(Frame(number, float(number), link, data, len(data)))
    return dissection.finish("pcap")


def out(sequence, flags, payload=b""):
    """Give a segment of the phone."""
    return tcp(PHONE, SERVER, PORTS, (sequence, 0, flags), payload)


def came(sequence, flags, payload=b""):
    """Give a segment of the server."""
    return tcp(SERVER, PHONE, BACK, (sequence, 0, flags), payload)


def test_a_poll_is_a_question_and_a_connection():
    """Bytes, addresses and times are those of the phone's side."""
    capture = dissect(poll(0, SERVER))
    (talk,) = capture.conversations
    assert (talk.data, talk.state, talk.gaps, talk.odd) == (b"".join(POLL), State.PLAIN, (), ())
    assert (talk.near, talk.target, talk.frame) == (
        f"{PHONE}:40000",
        f"{SERVER} 8080 plain".encode(),
        3,
    )
    assert [question.name for question in capture.asked] == [b"updates.hening.example"]
    assert capture.addresses == {b"updates.hening.example": frozenset({SERVER})}
    assert capture.loose == ()


def test_who_opens_a_connection_is_the_phone_unless_it_is_known():
    """With its address the other side's bytes are what left; another's are not judged."""
    packets = list(connection(0, PORTS, SERVER, [(b"asked", b"answered")]))
    assert dissect(packets).conversations[0].data == b"asked"
    assert dissect(packets, [SERVER]).conversations[0].data == b"answered"
    capture = dissect(packets, [PHONE_6])
    assert capture.conversations == ()
    assert capture.others == {"TCP segments": len(packets)}


def test_connections_are_told_apart_by_ports_and_numbers():
    """The same ports may be used again. Data beside the stream is not passed over.

    With the SYN (TCP Fast Open) it is the beginning; with a reset no stream has it, but it left.
    Nor is a part of the capture that the reader does not know.
    """
    packets = [
        *(out(100, SYN), out(100, SYN), came(500, SYN | ACK), out(101, PUSH | ACK, b"one")),
        *(out(104, FIN | ACK), out(9000, SYN), out(9001, PUSH | ACK, b"two")),
    ]
    assert [talk.data for talk in dissect(packets).conversations] == [b"one", b"two"]
    (talk,) = dissect([out(100, SYN, b"early"), out(106, ACK, b"later")]).conversations
    assert talk.data == b"earlylater"
    (talk,) = dissect([out(100, SYN), out(101, RST, b"leak")]).conversations
    assert talk.odd == (("with a reset", b"leak"),)
    dissection = Dissection(frozenset(), 1000)
    dissection.take_unread(Unread("block", b"x"))
    assert [each.label for each in dissection.finish("pcapng").loose] == ["block"]


def test_what_a_capture_lacks_of_a_connection_is_told():
    """A segment, the end of a frame, the beginning: the larger port is taken for the phone's."""
    missing, cut = "6 bytes are missing at offset 3", "2 bytes are missing"
    late = "the capture starts after the beginning of the connection"
    for packets, data, gaps in (
        ([out(100, SYN), out(101, ACK, b"abc"), out(110, ACK, b"x")], b"abcx", [missing]),
        ([out(100, SYN), out(101, ACK, b"abcdef")[:-2]], b"abcd", [cut]),
        ([came(500, ACK, b"answer"), out(100, ACK, b"asked")], b"asked", [late]),
        ([came(500, SYN | ACK), out(100, ACK, b"asked")], b"asked", []),
    ):
        (talk,) = dissect(packets).conversations
        assert (talk.near, talk.data, [*talk.gaps]) == (f"{PHONE}:40000", data, gaps)


def test_a_question_is_found_in_fragments_and_over_tcp():
    """In two fragments that come in the wrong order; with two bytes of length."""
    whole = udp(PHONE, RESOLVER, (4000, 53), ASKED)
    payload = whole[20:]
    sizes = (struct.pack(">H", 20 + size) for size in (24, len(payload) - 24))
    first, second = (
        whole[:2] + size + whole[4:6] + place + whole[8:20] + part
        for size, place, part in zip(
            *(sizes, (b"\x20\0", b"\0\3"), (payload[:24], payload[24:])), strict=True
        )
    )
    assert [q.name for q in dissect([second, first]).asked] == [b"a.example"]
    (loose,) = dissect([second]).loose
    assert loose.label == "fragments that do not fit together"
    sent = len(ASKED).to_bytes(2) + ASKED
    capture = dissect(connection(0, (40_000, 53), RESOLVER, [(sent, b"")]))
    assert [q.name for q in capture.asked] == [b"a.example"]
    assert capture.conversations[0].state is State.NAMES


# A datagram of nine bytes in a packet with room for twelve; a header with a time stamp.
BEHIND = ip_packet(PHONE, SERVER, 17, struct.pack(">4H", 1, 9, 9, 0) + b"leak")
OPTIONS = b"\x46\0\0\x20" + BEHIND[4:20] + b"\x44\4\5\0" + struct.pack(">4H", 1, 9, 8, 0)


def test_nothing_is_passed_over():
    """Every other protocol is named and keeps its bytes."""
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
        (out(1, SYN) + b"etherleak", "bytes after a packet"),
        (udp(PHONE, SERVER, (1, 9), b"")[:-2] + b"\0\0", "UDP port 9"),
        (udp(PHONE, SERVER, (1, 9), b"abcd")[:-1], "truncated datagrams"),
        (BEHIND, "bytes after a datagram"),
        (OPTIONS, "IP options"),
    ):
        loose = [each for each in dissect([packet]).loose if each.label == label]
        assert len(loose) == 1, label


def test_what_stays_on_the_link_or_is_others_is_counted():
    """Neighbours and groups; where the phone is known, what is not from it."""
    frames = [
        ip_packet(PHONE_6, "ff02::1", 58, b"\x87\0neighbour"),
        ip_packet(PHONE, "224.0.0.22", 2, b"\x22group"),
    ]
    capture = dissect(frames)
    assert capture.passed == {"ICMPv6 on the link": 1, "IGMP": 1}
    assert dissect([bytes(12) + b"\x08\x06arp"], link=1).passed == {"ARP": 1}
    assert dissect([bytes(12) + b"\x88\x8ekey"], link=1).loose[0].label == "EtherType 0x888e"
    packets = [
        udp(SERVER, RESOLVER, (4000, 9), b"x"),
        ip_packet(SERVER, RESOLVER, 1, b"ping"),
        ip_packet(SERVER, PHONE, 1, b"ping"),
    ]
    capture = dissect(packets, [PHONE])
    assert capture.loose == ()
    assert capture.others == {"UDP datagrams": 1, "ICMP": 1}


# The first of several pieces of a packet that never is whole: bit 13 says that more follow.
FRAGMENT = ip_packet(PHONE, SERVER, 17, b"x" * 480)
FRAGMENT = FRAGMENT[:6] + b"\x20\0" + FRAGMENT[8:]


def test_what_left_is_limited_however_it_left(monkeypatch):
    """Streams, datagrams, other protocols, names in answers, fragments; connections and flows."""
    for packet in (
        out(1, ACK, b"x" * 500),
        udp(PHONE, SERVER, (1, 9), b"x" * 500),
        ip_packet(PHONE, SERVER, 253, b"x" * 500),
        FRAGMENT,
        udp(RESOLVER, PHONE, (53, 4000), struct.pack(">6H", 1, 0x8180, 1, 9, 0, 0) + b"x" * 90),
    ):
        with pytest.raises(CaptureError, match="more than 100 bytes left"):
            dissect([packet], limit=100)
    waiting = [FRAGMENT[:4] + struct.pack(">H", number) + FRAGMENT[6:] for number in range(20)]
    with pytest.raises(CaptureError, match="more than 5000 bytes left"):
        dissect(waiting, limit=5_000)
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
def test_any_frames_are_taken_apart(frames, changes, link):
    """Bytes changed anywhere in good packets; nothing but CaptureError comes out."""
    for place, offset, byte in changes:
        if place < len(frames) and offset < len(frames[place]):
            frame = frames[place]
            frames[place] = frame[:offset] + bytes([byte]) + frame[offset + 1 :]
    capture = dissect(frames, link=link)
    assert capture.frames == len(frames)
