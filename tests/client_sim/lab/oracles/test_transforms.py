"""Spellings, encodings and digests are those of people and of other programs."""

import hashlib
import hmac

from client_sim.lab.oracles.transforms import (
    DIGESTS,
    ROTATIONS,
    SALTS,
    TRANSFORMS,
    murmur3,
    salted_digests,
    spell,
)
from tests.cases import case


def test_spellings():
    """The value itself comes first; values that are no identifier have no other spelling."""
    for value, others in (
        (
            b"001017204862139",
            (
                ("without check digit", b"00101720486213"),
                ("as IMEISV", b"0010172048621300"),
                ("with dashes", b"00-101720-486213-9"),
            ),
        ),
        (b"89999153902582269352", (("without check digit", b"8999915390258226935"),)),
        (
            b"+99902642509653",
            (
                ("without plus", b"99902642509653"),
                ("with 00", b"0099902642509653"),
                ("national", b"002642509653"),
                ("without country code", b"02642509653"),
            ),
        ),
        (
            b"02:20:ca:6c:b4:86",
            (
                ("without colons", b"0220ca6cb486"),
                ("with dashes", b"02-20-ca-6c-b4-86"),
                ("with dots", b"0220.ca6c.b486"),
                ("without the last byte", b"02:20:ca:6c:b4"),
            ),
        ),
        (
            b"f1eb1724-638c-448c-890e-554ad01bdee4",
            (("without dashes", b"f1eb1724638c448c890e554ad01bdee4"),),
        ),
        (b"lpcn3j4q46czx@example.org", (("local part", b"lpcn3j4q46czx"),)),
        (b"a@b@c", (("local part", b"a"),)),
        (b"Ilse Lpcn3j4q46czx", (("second name", b"Lpcn3j4q46czx"),)),
        (b"d74ee4aadbb8", ()),
        (b"", ()),
    ):
        with case(value, others):
            assert spell(value) == (("", value), *others)


def test_murmur3():
    """The values are those of `mmh3.hash_bytes` of mmh3 5."""
    for data, digest in (
        (b"", "00000000000000000000000000000000"),
        (b"hello", "029bbd41b3a7d8cb191dae486a901e5b"),
        (b"001017123456789", "88cca1af85efdea5a1e14db9af3cafb6"),
        (b"0123456789abcdef", "a7d14acf946de04bda08a7635c5bc387"),
        (b"0123456789abcdef" * 2, "ba7c19d6b5263a4fa20c74fa1e29b510"),
        (
            b"The quick brown fox jumps over the lazy dog",
            "6c1b07bc7bbc4be347939ac4a93c437a",
        ),
    ):
        with case(data, digest):
            assert murmur3(data).hex() == digest
            halves = bytes.fromhex(digest)
            assert DIGESTS["murmur3 swapped"](data) == halves[:8][::-1] + halves[8:][::-1]


def test_encodings():
    """Vectors of RFC 4648 section 10 and of the base58 draft, and values by hand."""
    for name, data, text in (
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
    ):
        with case(name, data, text):
            assert TRANSFORMS[name](data) == text


def test_rotated_digits():
    """Eight or more digits are rotated without carrying."""
    assert ROTATIONS["digits+3"](b"+00123789") == b"+33456012"
    assert ROTATIONS["digits+1"](b"1234567a") == b""
    assert ROTATIONS["digits+9"](b"/0123456789:") == b"/9012345678:"


def test_number_of_transforms():
    """There are at least 35, including all digests."""
    assert len(TRANSFORMS) >= 35
    assert set(DIGESTS) <= set(TRANSFORMS)


IMEI, SERIAL, MAC = b"001017204862139", b"d74ee4aadbb8", b"02:20:ca:6c:b4:86"
VALUES = {"imei": (IMEI,), "serial": (SERIAL,), "wifi_mac": (MAC,), "notes.text": (b"x" * 9,)}


def test_salted_digests():
    """The values are those of coreutils and OpenSSL."""
    for chain, digest in (
        # printf salt001017204862139 | md5sum, and so on.
        (("'salt' before it", "md5"), "06b1da18c3199c7172ef7bea63e1d4ef"),
        (("'miui' after it", "sha1"), "2a562d476285c5897d327e10f344333c634696f2"),
        (
            ("'|' before it", "sha256"),
            "5aacfe5f9409655c455b3d3819da2d6f36348a3b039296de2a66dd02ceec540c",
        ),
        # printf 001017204862139 | openssl mac -digest sha256 -macopt key:xiaomi HMAC
        (
            ("HMAC keyed with 'xiaomi'", "sha256"),
            "82051d9fa9a584fa203636242190e9f876b035a8e5bbfb9cf35a8daeec6f7863",
        ),
        (("serial before it", "sha1"), "95dfe171e36e121cc1bafab53ef259867224d43b"),
    ):
        with case(chain, digest):
            assert dict(salted_digests("imei", IMEI, VALUES))[chain].hex() == digest


def test_all_salted_digests_of_a_value():
    """Each salt is used before, after and as a key; salts include other identifiers."""
    found = list(salted_digests("imei", IMEI, VALUES))
    named = [(repr(salt.decode()), salt) for salt in SALTS]
    named += [("serial", SERIAL), ("wifi_mac", MAC)]
    assert found == [
        each
        for name, salt in named
        for algorithm in ("md5", "sha1", "sha256")
        for each in (
            ((f"{name} before it", algorithm), hashlib.new(algorithm, salt + IMEI).digest()),
            ((f"{name} after it", algorithm), hashlib.new(algorithm, IMEI + salt).digest()),
            ((f"HMAC keyed with {name}", algorithm), hmac.digest(salt, IMEI, algorithm)),
        )
    ]
