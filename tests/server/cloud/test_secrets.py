"""Keys of the pepper, by hand: FORMATS section 17 says how each is made."""

import hashlib
import hmac

from server.cloud.secrets import Secrets

PEPPER, SALTS = bytes(range(32)), bytes(range(32, 64))


def derive(key, purpose):
    """Return HKDF-SHA-256 of RFC 5869, without a salt, for 32 bytes."""
    extracted = hmac.digest(bytes(32), key, hashlib.sha256)
    return hmac.digest(extracted, purpose + b"\x01", hashlib.sha256)


def test_names_and_salts_of_names_that_are_not_there():
    """Each under the key that the page names."""
    secrets = Secrets("id", PEPPER, SALTS, bytes)
    name = derive(PEPPER, b"hening cloud name 1")
    assert secrets.name_hash("ani") == hmac.digest(name, b"ani", hashlib.sha256)
    salt = derive(SALTS, b"hening cloud unknown name 1")
    assert secrets.unknown_salt("ani") == hmac.digest(salt, b"ani", hashlib.sha256)


def test_a_rotated_pepper_keeps_the_salts_of_names_that_are_not_there():
    """Otherwise a salt that changes would tell that there is no such account."""
    before = Secrets("id", PEPPER, SALTS, bytes)
    after = Secrets("id", bytes(32), SALTS, bytes)
    assert before.unknown_salt("ani") == after.unknown_salt("ani")
    assert before.name_hash("ani") != after.name_hash("ani")
