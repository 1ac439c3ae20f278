"""Segments, TLS records and ends of captured connections are judged."""

import pytest

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.capture_file import Transfer, encode_connection
from client_sim.lab.captures.loading import load_capture
from fixtures.capture_writer import write_pcap
from fixtures.captures import FOLDER, HOST, NOTHING_NEW, POLL, START
from fixtures.packet_writer import Sent, connection, dns
from tests.client_sim.lab.captures.conftest import PLAIN, SERVER

HOST_LINE = f"{HOST}:8080".encode()
FIN, RST, ACK = 1, 4, 16
FLAGS = 20 + 13  # offset of the control bits in an IPv4 packet
SPLIT = "a request is split: this segment ends in the middle of it"
RECORD_SPLIT = "a TLS record is split: this segment ends in the middle of it"


def poll(*exchanges):
    """Return the packets of a poll with these exchanges."""
    ports = (40_000, 8080)
    return [
        *dns(START, ports[0], HOST, SERVER),
        *connection(START + 2_000, ports, SERVER, list(exchanges)),
    ]


EXCHANGES = list(zip(POLL, NOTHING_NEW, strict=True))


def audit(packets, tmp_path, host=HOST_LINE, **more):
    """Write packets as a capture and audit it; return the verdict and each question's findings."""
    path = tmp_path / "capture.pcap"
    path.write_bytes(write_pcap(packets))
    result = audit_capture(load_capture(path, **more), host, None)
    return result.verdict, {
        question.name: [each.finding.explanation for each in question.evidence]
        for question in result.questions
        if not question.passed
    }


def set_flags(sent, flags):
    """Return a packet with other control bits."""
    data = sent.data[:FLAGS] + bytes([flags]) + sent.data[FLAGS + 1 :]
    return Sent(sent.at, data, is_out=sent.is_out)


def split(packets, wanted, place):
    """Return the packets with the phone's segment number `wanted` split at byte `place`."""
    out = [n for n, sent in enumerate(packets) if sent.is_out and len(sent.data) > 68]
    number = out[wanted]
    data = packets[number].data
    later = (int.from_bytes(data[24:28]) + place) % (1 << 32)
    pieces = (data[: 40 + place], data[:24] + later.to_bytes(4) + data[28:40] + data[40 + place :])
    whole = [piece[:2] + len(piece).to_bytes(2) + piece[4:] for piece in pieces]
    both = [Sent(packets[number].at, piece, is_out=True) for piece in whole]
    return [*packets[:number], *both, *packets[number + 1 :]]


def test_request_in_two_segments_is_found(tmp_path):
    """A segment with two requests is found, too, because a phone reads each answer first."""
    assert audit(poll(*EXCHANGES), tmp_path) == ("clean", {})
    (first, answer), second = EXCHANGES
    halves = poll((first[:30], b""), (first[30:], answer), second)
    assert audit(halves, tmp_path) == ("unexplained", {"writes": [SPLIT]})
    both = poll((b"".join(POLL), b"".join(NOTHING_NEW)))
    found = {"writes": ["one segment carries more than one request"]}
    assert audit(both, tmp_path) == ("unexplained", found)


def test_reset_is_found(tmp_path):
    """It may have an acknowledgement."""
    for flags in (RST, RST | ACK):
        packets = poll(*EXCHANGES)
        place = next(
            n for n, sent in enumerate(packets) if sent.is_out and sent.data[FLAGS] == FIN | ACK
        )
        packets[place] = set_flags(packets[place], flags)
        verdict, found = audit(packets, tmp_path)
        assert (verdict, [*found]) == ("unexplained", ["ends"])
        assert "by a reset (RST)" in found["ends"][0]


def test_reset_after_a_close_and_retransmissions_are_clean(tmp_path):
    """The system sends them, not the client."""
    packets = poll(*EXCHANGES)
    packets.append(set_flags(packets[-1], RST))
    assert audit(packets, tmp_path) == ("clean", {})
    packets = poll(*EXCHANGES)
    again = split([sent for sent in packets if b"GET" in sent.data][:1], 0, 20)
    place = next(n for n, sent in enumerate(packets) if b"GET" in sent.data)
    packets[place + 1 : place + 1] = again
    assert audit(packets, tmp_path) == ("clean", {})


def test_har_has_no_segments_to_judge():
    """Only captures of packets show segments and ends."""
    for name in ("ours.har", "ours.pcap"):
        result = audit_capture(load_capture(FOLDER / name), HOST_LINE, None)
        cases = {question.name: question.cases for question in result.questions}
        assert (cases["writes"] > 0, cases["ends"] > 0) == (name == "ours.pcap",) * 2


def test_tls_record_in_two_segments_is_found(secure_poll, tmp_path):
    """It is found without keys."""
    packets, _ = secure_poll()
    verdict, found = audit(packets, tmp_path, HOST.encode())
    assert (verdict, [*found]) == ("not judged: encrypted", ["readable"])
    verdict, found = audit(split(packets, 3, 20), tmp_path, HOST.encode())
    assert (verdict, found["writes"]) == ("unexplained", [RECORD_SPLIT])


@pytest.mark.needs("tshark")
def test_request_in_two_tls_records_is_found(secure_poll, tmp_path):
    """Keys are needed; each record has its own segment."""
    (first, answer), second = PLAIN
    packets, keys = secure_poll(exchanges=[(first[:9], b"HTTP"), (first[9:], answer[4:]), second])
    found = {"writes": ["2 requests are not one TLS record each"]}
    assert audit(packets, tmp_path, HOST.encode(), key_log=keys) == ("unexplained", found)


def test_recording_keeps_a_reset(tmp_path):
    """A recorded reset is judged as in a capture of packets."""
    passed = [Transfer(1.0, True, POLL[0]), Transfer(1.0, False, NOTHING_NEW[0])]
    ends = ("192.0.2.7", 40_000), (SERVER, 8080)
    packets = [
        Sent(round(at * 1_000_000), data, is_out=True)
        for at, data in encode_connection(*ends, 1.0, passed, 2.0, is_reset=True)
    ]
    _, found = audit([*dns(0, 9, HOST, SERVER), *packets], tmp_path)
    assert [*found] == ["ends"]
