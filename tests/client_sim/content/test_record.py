"""What a phone remembers of the packs of a role: one value, and whatever else is damage."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_sim.content.record import Holding, Record, decode_holding, encode_holding, encode_record
from client_sim.device.errors import StateError
from tests.cases import case

HOLDING = Holding(7, {"zones": Record(), "apn": Record(verdict="bad")})


def seal(body):
    """Return lines with the hash in front of them."""
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def test_what_is_remembered_is_lines_under_their_hash():
    """The version, and each kind with its record, in ascending order."""
    data = encode_holding(HOLDING)
    bad, none = encode_record(Record(verdict="bad")), encode_record(Record())
    assert data == seal(b"7\napn " + bad + b"zones " + none)
    assert decode_holding(data) == HOLDING


@given(st.integers(0, 600), st.integers(1, 255))
@settings(max_examples=50)
def test_a_changed_byte_is_told(place, change):
    """Wherever it is."""
    data = bytearray(encode_holding(HOLDING))
    data[place % len(data)] ^= change
    with pytest.raises(StateError, match="damaged"):
        decode_holding(bytes(data))


def test_what_another_release_wrote_is_damage():
    """Whole, but nothing that can be read."""
    for body in (
        b"",
        b"x\n",
        b"1\nzones\n",
        b"1\nzones {}\n",
        b"1\n\xff " + encode_record(Record()),
    ):
        with case(body), pytest.raises(StateError, match="damaged"):
            decode_holding(seal(body))


@given(st.binary(max_size=80))
@settings(max_examples=50)
def test_whatever_is_read_is_a_holding_or_damage(data):
    """No other error."""
    with pytest.raises(StateError, match="damaged"):
        decode_holding(data)
