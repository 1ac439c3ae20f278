"""Digests of a value with something before or behind it are those that other programs give."""

import hashlib
import hmac

import pytest

from client_sim.lab.oracles.salted import SALTS, salted_digests

IMEI, SERIAL, MAC = b"001017204862139", b"d74ee4aadbb8", b"02:20:ca:6c:b4:86"
VALUES = {"imei": (IMEI,), "serial": (SERIAL,), "wifi_mac": (MAC,), "notes.text": (b"x" * 9,)}


@pytest.mark.parametrize(
    ("chain", "digest"),
    [
        # printf salt001017204862139 | md5sum, and so on.
        (("'salt' before it", "md5"), "06b1da18c3199c7172ef7bea63e1d4ef"),
        (("'miui' behind it", "sha1"), "2a562d476285c5897d327e10f344333c634696f2"),
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
    ],
)
def test_a_digest_is_that_of_coreutils_and_openssl(chain, digest):
    """A salt before it, behind it, as a key; another identifier as the salt."""
    assert dict(salted_digests("imei", IMEI, VALUES))[chain].hex() == digest


def test_each_salt_stands_in_three_places_under_three_digests():
    """The guessed salts and the phone's other identifiers, but no other value of it."""
    found = list(salted_digests("imei", IMEI, VALUES))
    named = [(repr(salt.decode()), salt) for salt in SALTS]
    named += [("serial", SERIAL), ("wifi_mac", MAC)]
    assert found == [
        each
        for name, salt in named
        for algorithm in ("md5", "sha1", "sha256")
        for each in (
            ((f"{name} before it", algorithm), hashlib.new(algorithm, salt + IMEI).digest()),
            ((f"{name} behind it", algorithm), hashlib.new(algorithm, IMEI + salt).digest()),
            ((f"HMAC keyed with {name}", algorithm), hmac.digest(salt, IMEI, algorithm)),
        )
    ]


def test_a_value_is_no_salt_of_its_own():
    """The field itself is left out, whichever it is."""
    names = {chain[0].split()[0] for chain, _ in salted_digests("serial", SERIAL, VALUES)}
    assert "imei" in names
    assert "serial" not in names
