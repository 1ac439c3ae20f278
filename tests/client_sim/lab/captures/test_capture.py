"""A capture becomes a trace of all departures, in order of time."""

import ssl

from client_sim.lab.captures.capture import (
    Capture,
    Conversation,
    DnsQuestion,
    OtherTraffic,
    State,
    list_conversations,
    observe_capture,
)
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.oracles.grammar import find_violations
from client_sim.lab.trace.observation import Channel
from fixtures.capture_writer import write_pcap
from fixtures.captures import FOLDER, HOST, POLL, SERVER, START
from fixtures.packet_writer import ACK, FIN, PHONE, SYN, Sent, tcp

HOST_LINE = f"{HOST}:8080".encode()


def sent_by(seen, channel):
    """Return the data of departures by a channel."""
    return [each.data for each in seen.departures if each.channel is channel]


def test_poll_is_a_clean_trace_in_every_format():
    """Whole requests are at their times, and packets also show names, sizes and closes."""
    for name in ("ours.pcap", "ours.pcapng", "ours.har"):
        seen = observe_capture(load_capture(FOLDER / name))
        for connection in seen.connections():
            assert find_violations(connection.data, HOST_LINE) == ()
            assert connection.target.partition(b" ")[2] == b"8080 plain"
        assert seen.connections()[0].data == b"".join(POLL)
        assert sent_by(seen, Channel.BYTES)[: len(POLL)] == list(POLL)
        times = [each.at for each in seen.departures]
        assert times == sorted(times)
        assert START <= times[0] * 1e6 < START + 60_000_000
    seen = observe_capture(load_capture(FOLDER / "ours.pcap"))
    first = seen.connections()[0]
    assert set(sent_by(seen, Channel.DNS)) == {HOST.encode()}
    assert (first.closes, first.parameters) == (1, (b"plain text",))
    assert sent_by(seen, Channel.SIZES)[0] == b"%d" % len(b"".join(POLL))


def test_times_of_pieces(tmp_path):
    """A late segment delays those after it; the server's end does not close the connection."""
    ports, back = (40_000, 80), (80, 40_000)
    segments = [
        (1_000_000, tcp(PHONE, SERVER, ports, (100, 0, SYN), b"")),
        (2_000_000, tcp(PHONE, SERVER, ports, (101, 0, ACK), b"abc")),
        (3_000_000, tcp(PHONE, SERVER, ports, (106, 0, ACK), b"fg")),
        (4_000_000, tcp(PHONE, SERVER, ports, (104, 0, ACK), b"de")),
        (5_000_000, tcp(SERVER, PHONE, back, (9, 0, FIN), b"")),
        (6_000_000, tcp(PHONE, SERVER, ports, (108, 0, FIN | ACK), b"")),
    ]
    path = tmp_path / "capture"
    path.write_bytes(write_pcap([Sent(at, data, True) for at, data in segments]))
    seen = observe_capture(load_capture(path))
    departures = [(each.at, each.data) for each in seen.departures if each.connection == 0]
    assert departures == [
        (1.0, f"{SERVER} 80 plain".encode()),
        (1.0, b"plain text"),
        (1.0, b"7"),
        (2.0, b"abc"),
        (4.0, b"de"),
        (4.0, b"fg"),
        (6.0, b""),
    ]


def test_trace_of_an_encrypted_connection(secure_poll, tmp_path):
    """It has name, version, fingerprint and record sizes, but no bytes of requests."""
    packets, _ = secure_poll(ssl.TLSVersion.TLSv1_2)
    path = tmp_path / "capture"
    path.write_bytes(write_pcap(packets))
    seen = observe_capture(load_capture(path))
    (connection,) = seen.connections()
    assert connection.data == b""
    assert connection.target == f"198.51.100.10 443 {HOST}".encode()
    assert f"name {HOST}\nprotocols http/1.1".encode() in connection.parameters[0]
    (sizes,) = sent_by(seen, Channel.SIZES)
    assert sizes.startswith(b"22:")  # the handshake; 23 are application data (RFC 8446, 5.1)
    assert b" 23:" in sizes


def test_trace_has_all_traffic():
    """Other traffic, contradicting bytes, readings and extra bytes of questions are departures."""
    talk = Conversation(
        *("c", b"198.51.100.10 80 plain", 1, 5.0, b"GET", State.PLAIN),
        contradictions=(("sent twice, differing", b"PUT"),),
        readings=(("headers of HTTP/2", b"a: b"),),
    )
    names = Conversation("d", b"192.0.2.1 53 plain", 2, 5.0, b"\0\1x", State.NAMES)
    capture = Capture(
        *("pcap", (names, talk)),
        dns_questions=(DnsQuestion("q", b"h.example", 1, b"cookie", 7.0),),
        other_traffic=(OtherTraffic("ICMP", "p to s", 1, b"ping", 6.0),),
    )
    seen = observe_capture(capture)
    assert list_conversations(capture) == (talk,)
    assert [each.data for each in seen.connections()] == [b"GET"]
    assert [(each.at, each.phase, each.data) for each in seen.departures[2:]] == [
        (5.0, "c, sent twice, differing", b"PUT"),
        (5.0, "c, headers of HTTP/2", b"a: b"),
        (6.0, "ICMP, p to s", b"ping"),
        (7.0, "q", b"h.example"),
        (7.0, "extra bytes of a DNS question, q", b"cookie"),
    ]


def test_bytes_keep_their_order_if_times_go_back():
    """The clock may be set back during a capture."""
    pieces = ((9.0, 2), (3.0, 2), (4.0, 1))
    talk = Conversation("c", b"", 1, 8.0, b"abcde", State.PLAIN, pieces=pieces, closed=1.0)
    seen = observe_capture(Capture("pcap", (talk,)))
    assert seen.connections()[0].data == b"abcde"
    assert seen.departures[-1].channel is Channel.CLOSE
