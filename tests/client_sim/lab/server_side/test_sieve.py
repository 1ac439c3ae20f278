import base64
import gzip
import hashlib
import random

import pytest

from client_sim.lab.server_side.sieve import Sieve

TOKEN = b"k3jx5q7mzn2wv4tbf6ydcepsra"
LINE = b"GET /" + TOKEN + b" HTTP/1.1"
NOISE = random.Random(4711).randbytes(5000)
SIEVE = Sieve({"path": (TOKEN,)}, {"path": (TOKEN[:13], TOKEN[13:])}, {"path": (LINE,)}, 1)

DRESSED = {
    "plain": TOKEN,
    "base64": base64.b64encode(TOKEN),
    "base64 in a longer text": base64.b64encode(b"x" + LINE),
    "base16": TOKEN.hex().encode(),
    "reversed": TOKEN[::-1],
    "xor": bytes(byte ^ 0x5A for byte in TOKEN),
    "gzip": gzip.compress(LINE),
    "sha256": hashlib.sha256(TOKEN).digest(),
    "sha256 of the line": hashlib.sha256(LINE).digest(),
    "sha1 of the line in hex": hashlib.sha1(LINE).hexdigest().encode(),
    "md5 of the line, cut short": hashlib.md5(LINE).hexdigest()[:16].encode(),
    "sha512 of the line in base64": base64.b64encode(hashlib.sha512(LINE).digest()),
    "the first half": TOKEN[:13],
    "the second half in hex": TOKEN[13:].hex().encode(),
}


@pytest.mark.parametrize("name", DRESSED)
@pytest.mark.parametrize("before", [0, 1, 7, 1010, 1500, 3071])
def test_a_value_is_found_wherever_it_lies(name, before):
    """At borders of pieces as well, and at every place in a word of eight bytes."""
    data = NOISE[:before] + b" " + DRESSED[name] + b" " + NOISE[before:]
    found = {sighting.field for sighting in SIEVE.find(data)}
    assert found == {"path"}
    plain = [sighting.offset for sighting in SIEVE.find(data) if not sighting.chain]
    assert name != "plain" or before + 1 in plain


def test_nothing_is_found_in_noise_or_in_what_surrounds_a_value():
    """A megabyte of noise, and request lines that begin as the planted one does."""
    assert list(SIEVE.find(random.Random(815).randbytes(1_000_000))) == []
    assert list(SIEVE.find((b"GET /" + b"a" * 26 + b" HTTP/1.1\r\n") * 500)) == []
    assert list(SIEVE.find(b"")) == []
