"""Windows of captured bytes, and the redaction of values in them."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.capture import Capture, Conversation, State, observe_capture
from client_sim.lab.captures.evidence import Place, list_places, redact, show_value
from client_sim.lab.errors import CaptureError
from client_sim.lab.oracles.canary import CanarySearch

NAME = b"Sari Fiktif von Nirgendwo"


def places(data, **known):
    """Search the bytes of one connection for a name, or for known values."""
    talk = Conversation("c", b"198.51.100.10 8080 plain", 1, 0.0, data, State.PLAIN)
    search = CanarySearch(known or {"name": (NAME,)})
    return list_places(observe_capture(Capture("pcap", (talk,))), search)


def test_found_name_is_redacted():
    """It is redacted in the windows of other findings, too."""
    place, *_ = places(b"x" * 100 + b"owner=" + NAME + b"&rest")
    window = place.evidence("", 95, 5, personal=False).finding.data
    assert window == b"x" * 53 + b"owner=" + b"*" * len(NAME) + b"&rest"
    assert NAME in place.evidence("", 95, 5, personal=True).finding.data


def test_compressed_value_is_redacted_to_its_end():
    """Otherwise the bytes could be inflated."""
    packed = gzip.compress(NAME * 3, mtime=0)
    place, *_ = places(b"POST / HTTP/1.1\r\n\r\n" + packed)
    (sighting, *_) = place.sightings
    assert sighting.chain[-1].startswith("undone by ")
    window = place.evidence("", sighting.offset, 9, personal=False).finding.data
    assert window.endswith(b"\r\n\r\n" + b"*" * len(packed))


def test_overlapping_spellings_are_one_finding():
    """A number without its country's code is part of the number."""
    spelled = (b"+62812345678", b"62812345678", b"812345678")
    place, *_ = places(b"phone=+62812345678", phone=spelled)
    assert [(s.offset, s.value) for s in place.sightings] == [(6, b"+62812345678")]


def test_number_of_lines_is_limited(monkeypatch):
    """Each line may be a field, which takes a hundred times its bytes."""
    monkeypatch.setattr("client_sim.lab.captures.evidence._LINES_LIMIT", 3)
    assert places(b"a\n" * 3)
    with pytest.raises(CaptureError, match="more than 3 lines left the phone"):
        places(b"a\n" * 4)


def test_window_is_limited():
    """It has 48 bytes on each side, and at most 256 bytes of the finding."""
    evidence = Place("w", bytes(range(256)) * 8).evidence("e", 1000, 900, personal=True)
    assert (evidence.offset, evidence.length) == (1000, 900)
    assert (evidence.finding.offset, evidence.finding.length) == (48, 256)
    assert len(evidence.finding.data) == 48 + 256 + 48
    assert evidence.finding.offending() == (bytes(range(256)) * 8)[1000:1256]
    assert show_value(b"abc", personal=False) == "[3 bytes, not shown]"
    assert show_value(b"a\xff", personal=True) == "a\\xff"


def test_identifiers_are_redacted():
    """Offsets stay the same; words are redacted only if they were found."""
    for data, shown in (
        (b"imei=001017123456785&a=b", b"imei=***************&a=b"),
        (b"tel: +999 123-456 789\r\n", b"tel: ****************\r\n"),
        (b"tel=%2B99912345678901&", b"tel=*****************&"),
        (b"mac=02:00:5e:10:00:07;", b"mac=*****************;"),
        (b"to sari.f@example.org\r\n", b"to ******************\r\n"),
        (b"X: c2VydmljZS10b2tlbg==\r\n", b"X: ********************\r\n"),
        (b"q=0a1b2c3d4e5f6071", b"q=****************"),
        (b"lat=-5.123456", b"lat=-********"),
        (b"GET /metadata/12.root.json HTTP/1.1", b"GET /metadata/12.root.json HTTP/1.1"),
        (b"User-Agent: Dalvik/1.6.0 (Linux; U; Android 4.2.2)", None),
        (b"Content-Type: application/x-www-form-urlencoded", None),
    ):
        assert redact(data, ()) == (data if shown is None else shown)
    assert redact(b"owner=Sari Fiktif&", [(6, 11)]) == b"owner=***********&"
    assert redact(b"abc", [(-2, 3), (2, 100)]) == b"*b*"


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(-9, 300), st.integers(0, 99))))
def test_redaction_keeps_the_length(data, found):
    """Any found places may overlap or lie outside."""
    assert len(redact(data, found)) == len(data)
