"""Keys derived from the pepper, as FORMATS section 17 describes them."""

import hashlib
import hmac
import re
from pathlib import Path

from nacl.encoding import RawEncoder
from nacl.hash import blake2b

from server.cloud.secrets import Secrets, derive_name_key, draw_text

PEPPER, SALTS = bytes(range(32)), bytes(range(32, 64))


def derive(key, purpose):
    """Return HKDF-SHA-256 of RFC 5869, without a salt, for 32 bytes."""
    extracted = hmac.digest(bytes(32), key, hashlib.sha256)
    return hmac.digest(extracted, purpose + b"\x01", hashlib.sha256)


def test_name_hashes_and_salts_of_unknown_names():
    """Name hashes and salts of unknown names are computed with the page's keys."""
    secrets = Secrets("id", PEPPER, SALTS, bytes)
    name = derive(PEPPER, b"hening cloud name 1")
    assert secrets.name_hash("ani") == hmac.digest(name, b"ani", hashlib.sha256)
    salt = derive(SALTS, b"hening cloud unknown name 1")
    assert secrets.unknown_salt("ani") == hmac.digest(salt, b"ani", hashlib.sha256)


def test_hashes_after_a_rotation():
    """A rotated hash is computed from the former hash alone, in the order of the peppers."""
    other = bytes(range(64, 96))
    former = Secrets("id", PEPPER, SALTS, bytes)
    following = Secrets("id", other, SALTS, bytes, [derive_name_key(PEPPER)])
    key = derive(other, b"hening cloud name 1")
    expected = hmac.digest(key, former.name_hash("ani"), hashlib.sha256)
    assert following.name_hash("ani") == expected
    assert following.hash_again(former.name_hash("ani")) == expected
    assert former.mark == derive(PEPPER, b"hening cloud mark 1")[:8]


def test_the_vectors_of_owners_keys_hold():
    """libsodium, which clients use, computes the vectors of FORMATS."""
    page = (Path(__file__).parents[3] / "docs" / "FORMATS.md").read_text(encoding="utf-8")
    key = bytes(range(32))

    def derived(number, context):
        salt, person = number.to_bytes(8, "little"), context.encode().ljust(8)
        return blake2b(b"", 32, key, salt.ljust(16, b"\0"), person.ljust(16, b"\0"), RawEncoder)

    rows = re.findall(r"^\| kdf\(K, (\d), `(\w+)`\) \| `(\w+)` \|$", page, re.MULTILINE)
    assert len(rows) == 5
    for number, context, value in rows:
        assert derived(int(number), context).hex() == value
    item = blake2b(derived(4, "Col"), 32, b"A" * 32, encoder=RawEncoder)
    assert f"of 32 times `A` | `{item.hex()}` |" in page


def test_no_id_looks_like_an_option():
    """An id that begins with `-` is drawn again, because owners pass ids to commands."""
    drawn = iter([b"\xf8\x00\x00", b"\xfb\xff\xff", b"\xf7\xe0\x00"])
    assert draw_text(lambda _count: next(drawn), 3) == "9-AA"
