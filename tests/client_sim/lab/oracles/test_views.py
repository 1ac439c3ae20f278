"""Decoded readings of recorded octets are bounded and keep their place."""

import base64
import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.views import view


def readings(octets):
    """Map the decoded octets to where they were found and how."""
    return {seen.octets: (seen.offset, seen.chain) for seen in view(octets)}


def test_each_decoding_is_placed():
    """The offset is that of the encoded octets."""
    secret = b"a secret of the owner"
    assert readings(b"--" + gzip.compress(secret))[secret] == (2, ("gunzip",))
    assert readings(b"--" + zlib.compress(secret))[secret] == (2, ("inflate zlib",))
    assert readings(b"--" + secret.hex().encode())[secret] == (2, ("decode base16",))
    assert readings(b"--" + base64.b64encode(secret))[secret][0] == 2
    assert readings(b"q=a%20secret%20of&x")[b"a secret of"] == (2, ("unescape url",))
    raw = zlib.compressobj(wbits=-15)
    body = b"POST / HTTP/1.1\r\n\r\n" + raw.compress(secret * 3) + raw.flush()
    assert readings(body)[secret * 3] == (19, ("inflate",))


def test_two_layers_are_undone_and_placed_at_the_outer_one():
    """Base64 of gzip, as beacons send it."""
    secret = b"a secret of the owner"
    octets = b"q=" + base64.b64encode(gzip.compress(secret))
    assert readings(octets)[secret] == (2, ("decode base64", "gunzip"))


@given(st.binary(max_size=300))
def test_arbitrary_octets_have_few_readings(octets):
    """Whatever is recorded, the work is bounded and the octets themselves come first."""
    seen = view(octets)
    assert seen[0].octets == octets
    assert len(seen) <= 200
    assert len({one.octets for one in seen}) == len(seen)


def test_hostile_octets_have_no_more_than_the_limit():
    """Thousands of encoded runs do not make thousands of readings."""
    runs = b" ".join(b"%024x" % number for number in range(5000))
    assert len(view(runs)) == 300
