import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from server.core.encodings import encode_canonical_json
from server.core.errors import FormatError
from signer.errors import KeyStoreError
from signer.keys.key_name import check_key_name
from signer.keys.public_key import PublicKey, check_distinct, decode_public_key, encode_public_key

# RFC 8032 section 7.1, test 1; the id is the sha256 that `sha256sum` gives for
# {"keytype":"ed25519","keyval":{"public":"d75a…511a"},"scheme":"ed25519"}.
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
KEYID = "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916"


def test_the_file_is_one_line_of_canonical_json() -> None:
    """The public half is small, and readable for people."""
    assert encode_public_key(PublicKey("root-1", PUBLIC)) == (
        f'{{"keyid":"{KEYID}","public":"{PUBLIC}","schema":1}}\n'.encode()
    )


def test_a_file_comes_back() -> None:
    """Reading gives what was written, with the name of the file."""
    key = PublicKey("armani-12", PUBLIC)
    assert decode_public_key("armani-12", encode_public_key(key)) == key
    assert (key.role, key.number) == ("armani", 12)


def test_a_holder_stands_in_the_file() -> None:
    """It is there where it is known, and not in the TUF key, which is public."""
    key = PublicKey("root-1", PUBLIC, "Bob B. of Solo")
    assert encode_public_key(key) == (
        f'{{"holder":"Bob B. of Solo","keyid":"{KEYID}","public":"{PUBLIC}","schema":1}}\n'.encode()
    )
    assert decode_public_key("root-1", encode_public_key(key)) == key
    assert "Bob" not in str(key.tuf_key.to_dict())


@pytest.mark.parametrize(
    "change",
    [
        {"holder": ""},
        {"holder": 7},
        {"holder": None},
        {"holder": "x" * 41},
        {"holder": "two\nlines"},
        {"holder": " bob"},
        {"holder": "bob), root-3 (carol"},
        {"holder": "bob\u202e"},  # turns the direction of what follows
        {"schema": True},
        {"keyid": "0" * 64},
        {"public": PUBLIC.upper()},
        {"public": PUBLIC[:-2]},
        {"schema": 2},
        {"more": 1},
        {"public": 7},
    ],
)
def test_another_value_is_refused(change) -> None:
    """A wrong id, form or schema is not a public half."""
    value = {"keyid": KEYID, "public": PUBLIC, "schema": 1} | change
    with pytest.raises(KeyStoreError):
        decode_public_key("root-1", encode_canonical_json(value))


@pytest.mark.parametrize(
    "public",
    [
        "01" + "00" * 31,  # the identity, of order 1
        "ec" + "ff" * 30 + "7f",  # order 2
        "00" * 32,  # order 4
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",  # order 8
        "ee" + "ff" * 30 + "7f",  # the identity again, written as y = p + 1
    ],
)
def test_a_point_of_small_order_is_refused(public) -> None:
    """Such a key verifies forged signatures."""
    value = {"keyid": KEYID, "public": public, "schema": 1}
    with pytest.raises(KeyStoreError, match="not a point that can be trusted"):
        decode_public_key("root-1", encode_canonical_json(value))


@pytest.mark.parametrize(
    "name",
    ["", "root", "root-0", "root-01", "root-1000", "Root-1", "-1", "a/b-1", "root-1\n", "x" * 40],
)
def test_a_malformed_name_is_refused(name) -> None:
    """A name says which role the key signs; everything else is refused."""
    with pytest.raises(KeyStoreError, match="is not a key name"):
        check_key_name(name)


@pytest.mark.parametrize("name", ["latest-1", "latest-0-1", "snapshot-1", "timestamp-2"])
def test_an_online_role_is_refused(name) -> None:
    """The server makes the keys that it signs with."""
    with pytest.raises(KeyStoreError, match="signed by the server"):
        check_key_name(name)


@pytest.mark.parametrize("name", ["mirrors-1", "latest-g-1"])
def test_a_reserved_role_is_refused(name) -> None:
    """No model may have a reserved name."""
    with pytest.raises(KeyStoreError, match="is not a codename"):
        check_key_name(name)


def test_one_key_under_two_names_is_refused() -> None:
    """Two signatures of one key would count as two people."""
    with pytest.raises(KeyStoreError, match="root-2 and root-1 are one key under two names"):
        check_distinct([PublicKey("root-1", PUBLIC), PublicKey("root-2", PUBLIC)])


@given(st.binary(min_size=32, max_size=32), st.text(max_size=45))
def test_what_is_written_comes_back(seed, holder) -> None:
    """Reading gives what was written, or the holder cannot be one."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = PublicKey("root-1", private.public_key().public_bytes_raw().hex(), holder)
    try:
        data = encode_public_key(key)
    except KeyStoreError:
        # Plain ASCII without the signs that part the names in a list is never refused.
        assert not re.fullmatch(r"[!-~]([ -~]{0,38}[!-~])?", holder) or set(holder) & set("(),;?")
        return
    assert decode_public_key("root-1", data) == key


@pytest.mark.parametrize(
    "holder",
    [
        "\u0430lice",  # a Cyrillic a
        "b\u03bfb",  # a Greek o
        "Bob \u0430nd Carol",
        "\uff41lice",  # a wide a
        "e\u0301va",  # an e and an accent, which look like one letter
        "bob\u3164",  # a letter of Hangul that is blank
        *("a(b", "a)b", "a,b", "a;b", "a?b"),
    ],
)
def test_a_holder_that_looks_like_another_is_refused(holder) -> None:
    """Who reads a list must not take one holder for another, or one key for two."""
    with pytest.raises(KeyStoreError, match=r"is no name of a holder; give .* one script"):
        encode_public_key(PublicKey("root-1", PUBLIC, holder))


@pytest.mark.parametrize(
    "holder",
    ["Алиса", "Ελένη K.", "Юлия Bob", "éva", "佐々木 ひろし", "김민준", "अलका"],
)
def test_a_holder_may_write_in_any_script(holder) -> None:
    """Each word in one of them."""
    key = PublicKey("root-1", PUBLIC, holder)
    assert decode_public_key("root-1", encode_public_key(key)) == key


@given(st.sampled_from(["holder", "keyid", "public", "schema"]), st.text() | st.integers())
def test_a_changed_member_comes_back_or_is_refused(member, value) -> None:
    """What is read is written as the same bytes."""
    try:
        data = encode_canonical_json({"keyid": KEYID, "public": PUBLIC, "schema": 1, member: value})
        key = decode_public_key("root-1", data)
    except (KeyStoreError, FormatError):
        return
    assert encode_public_key(key) == data


@given(st.binary(max_size=1200))
def test_arbitrary_bytes_are_refused_with_our_error(data) -> None:
    """No bytes make the reader fail otherwise."""
    with pytest.raises(KeyStoreError):
        decode_public_key("root-1", data)
