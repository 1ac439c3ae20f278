"""Bits: measured from how often values were there, at most from their size."""

import math

import pytest

from client_sim.lab.captures.fields import capacity, entropy, measure_fields
from client_sim.lab.captures.seen import Asked, Capture, Conversation, State

HEAD = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: h.example\r\nAccept-Encoding: gzip\r\n\r\n"
ROOT = HEAD.replace(b"timestamp", b"2.root")


def talk(data):
    """Give a connection."""
    return Conversation("connection", b"", 1, 0.0, data, State.PLAIN)


def test_bits_by_hand():
    """Shannon's, of the values that were seen; what a value can carry in the narrowest alphabet."""
    for counts, bits in (
        ([], 0),
        ([5], 0),
        ([1, 1], 1),
        ([1] * 8, 3),
        ([3, 1], 2 - 0.75 * math.log2(3)),
    ):
        assert entropy(counts) == pytest.approx(bits)
    for value, bits in (
        (b"", 0),
        (b"001017123456785", 15 * math.log2(10)),
        (b"0a1f", 16),
        (b"0A1F", 16),
        (b"Zz9_", 24),
        (b"a b", 3 * math.log2(95)),
        (b"\0\xff", 16),
    ):
        assert capacity(value) == pytest.approx(bits)


def test_a_field_of_the_table_is_bounded_by_the_table_and_another_by_its_size():
    """A strange connection makes its fields strange; beyond the first hundreds is one row."""
    clean = measure_fields(Capture("pcap", (talk(ROOT + HEAD),)), b"h.example")
    assert {row.name: row.most for row in clean} == dict.fromkeys(
        ("method", "path", "version", "names of headers", "header Host", "header Accept-Encoding")
    )
    assert [(row.distinct, row.measured) for row in clean if row.name == "path"] == [(2, 1.0)]
    tail = b"imei=001017123456785"
    strange = measure_fields(Capture("pcap", (talk(HEAD + tail),)), None)
    rest = next(row for row in strange if row.name == "bytes that are no request")
    assert rest.most == pytest.approx(20 * 6)
    headers = b"".join(b"X-%d: 1\r\n" % number for number in range(2000))
    rows = measure_fields(Capture("pcap", (talk(b"GET / HTTP/1.1\r\n" + headers + b"\r\n"),)), None)
    assert len(rows) == 501
    assert rows[-1].name == "fields beyond the first"


def test_names_that_are_asked_for_are_a_field():
    """The host's own says nothing; another may say anything."""
    asked = (Asked("", b"h.example", 1, b""), Asked("", b"0123.t.example", 1, b""))
    (row,) = measure_fields(Capture("pcap", (), asked[:1]), b"h.example:80")
    assert row.most is None
    (row,) = measure_fields(Capture("pcap", (), asked), b"h.example:80")
    assert (row.distinct, row.most) == (2, pytest.approx(14 * math.log2(95)))
