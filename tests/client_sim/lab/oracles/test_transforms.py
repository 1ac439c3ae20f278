"""Encodings and digests are those of other programs."""

import pytest

from client_sim.lab.oracles.murmur import murmur3
from client_sim.lab.oracles.transforms import DIGESTS, ROTATIONS, TRANSFORMS


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "00000000000000000000000000000000"),
        (b"hello", "029bbd41b3a7d8cb191dae486a901e5b"),
        (b"001017123456789", "88cca1af85efdea5a1e14db9af3cafb6"),
        (b"0123456789abcdef", "a7d14acf946de04bda08a7635c5bc387"),
        (b"0123456789abcdef" * 2, "ba7c19d6b5263a4fa20c74fa1e29b510"),
        (
            b"The quick brown fox jumps over the lazy dog",
            "6c1b07bc7bbc4be347939ac4a93c437a",
        ),
    ],
)
def test_murmur_is_that_of_mmh3(data, digest):
    """`mmh3.hash_bytes` of mmh3 5; and both halves as numbers."""
    assert murmur3(data).hex() == digest
    halves = bytes.fromhex(digest)
    assert DIGESTS["murmur3 swapped"](data) == halves[:8][::-1] + halves[8:][::-1]


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("base58", b"Hello World!", b"2NEpo7TZRRrLZSi2U"),
        ("base58", b"\x00\x00\x28\x7f\xb4\xcd", b"11233QC4"),
        ("base32hex", b"foobar", b"CPNMUOJ1E8"),
        ("base64+0", b"foobar", b"Zm9vYmFy"),
        ("base64+1", b"foobar", b"Zvb2Jhc"),
        ("base64+2", b"foobar", b"mb29iYX"),
        ("base58", b"", b""),
        ("base58", b"\x00", b"1"),
        ("base58", b"a\x00", b"8P9"),
        ("base64+0", b"foob", b"Zm9vY"),
        ("base64+1", b"fo", b"Zv"),
        ("base64url+0", b"\xfb\xff\xbf", b"-_-_"),
        ("base64+0", b"\xfb\xff\xbf", b"+/+/"),
        (
            "sha256",
            b"",
            bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ),
        ("utf-16-le", "aé".encode(), b"a\x00\xe9\x00"),
        ("utf-16-be", b"a\xff", b"\x00a\xff\xfd"),
        ("html", b"AB", b"&#65;&#66;"),
        ("swapped pairs", b"abcd", b"badc"),
        ("bcd", b"12+3", b""),
        ("bcd", b"1234", b"\x12\x34"),
        ("bcd swapped", b"89999", b"\x98\x99\xf9"),
        ("bcd", b"+999", b"\x99\x9f"),
        ("bcd", b"9a", b""),
        ("swapped pairs", b"abcde", b"badce"),
        ("rot47", b"Az 1", b"pK `"),
        ("html hex", b"AB", b"&#x41;&#x42;"),
        ("json", b"AB", b"\\u0041\\u0042"),
        ("json", b"\xff", b""),
    ],
)
def test_an_encoding_is_that_of_its_definition(name, data, text):
    """Vectors of RFC 4648 section 10, of the base58 draft, and by hand."""
    assert TRANSFORMS[name](data) == text


def test_digits_turn_where_there_are_eight():
    """Without carrying; fewer are no number that could be known again."""
    assert ROTATIONS["digits+3"](b"+00123789") == b"+33456012"
    assert ROTATIONS["digits+1"](b"1234567a") == b""
    assert ROTATIONS["digits+9"](b"/0123456789:") == b"/9012345678:"


def test_there_are_enough():
    """At least 35 encodings, digests among them."""
    assert len(TRANSFORMS) >= 35
    assert set(DIGESTS) <= set(TRANSFORMS)
