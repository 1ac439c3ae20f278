"""Keys: the vectors of FORMATS section 17, and changes that make decryption fail."""

import re
from pathlib import Path

import pytest

from client_sim.cloud.errors import DeceivedError, SealError
from client_sim.cloud.keys import (
    Keys,
    derive_main,
    kdf,
    main_cipher,
    make_account_keys,
    seal,
    unseal,
    unwrap_account,
)
from client_sim.cloud.records import item_keys
from client_sim.cloud.wire import Content, Item
from tests.cases import case

PAGE = (Path(__file__).parents[3] / "docs" / "FORMATS.md").read_text()
KEY = bytes(range(32))
VECTORS = re.findall(r"^\| kdf\(K, (\d), `(\w+)`\) \| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE)


def draw(count):
    """Return fixed bytes in place of random ones."""
    return bytes(range(count))


def test_derived_keys_are_those_of_the_page():
    """Each vector of the page holds, and there is a vector for every context."""
    for number, context, expected in VECTORS:
        assert kdf(KEY, int(number), context).hex() == expected
    assert {context for _, context, _ in VECTORS} == {"Main", "Acct", "Col", "ColItem"}


def test_an_items_key_is_that_of_the_page():
    """Message and key of the keyed hash are not swapped; the value is from FORMATS."""
    found = re.search(r"\| item key without `encryptionKey`[^|]*\| `([0-9a-f]{64})` \|", PAGE)
    item = Item("A" * 32, 1, Content("A" * 22, b"", [], deleted=False))
    assert item_keys(KEY, item) == Keys.derive(bytes.fromhex(found[1]), "ColItem")


def test_main_key_is_derived_with_argon2id():
    """Argon2id of the first 16 bytes of the salt, 4 passes, 256 MiB; OpenSSL computed the value."""
    expected = "74ce3c9e66c71e35cf65f07db19e483baf1d6da2ad23eabb23dd0b264bc72bd3"
    assert derive_main(b"SomePassword", bytes(range(32))).hex() == expected


def test_a_changed_byte_does_not_open():
    """A changed nonce, ciphertext, tag or bound text is refused."""
    sealed = seal(KEY, b"hello", draw, b"bound")
    assert len(sealed) == 24 + 5 + 16
    assert unseal(KEY, sealed, b"bound") == b"hello"
    with pytest.raises(SealError):
        unseal(KEY, sealed, b"there")
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with case(place), pytest.raises(SealError):
            unseal(KEY, changed, b"bound")


def test_an_account_with_another_public_key_is_refused():
    """A server cannot replace the owner's public key by its own."""
    account = make_account_keys(draw)
    cipher = main_cipher(KEY)
    wrap = account.wrap(cipher, draw)
    assert unwrap_account(cipher, wrap, account.public_key) == account
    with pytest.raises(DeceivedError, match="not yours"):
        unwrap_account(cipher, wrap, bytes(32))


def test_encrypted_names_of_types():
    """A type's encrypted name is always the same, so that the server finds collections by it."""
    account = make_account_keys(draw)
    sealed = account.type_of("etebase.vcard")
    assert sealed == account.type_of("etebase.vcard")
    assert b"vcard" not in sealed
    assert account.open_type(sealed) == "etebase.vcard"
    assert account.open_type(account.type_of("x" * 32)) == "x" * 32
