import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.encodings import encode_canonical_json
from signer.errors import KeyStoreError
from signer.keys.key_file import (
    TokenKey,
    check_token_key,
    decode_token_file,
    encode_token_file,
)

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
VALUE = {"id": "01", "module": MODULE, "schema": 1, "token": "drawer"}

texts = st.text(st.characters(codec="utf-8"), max_size=40)
keys = st.builds(
    TokenKey,
    texts.map("/{}".format) | texts,
    texts,
    st.binary(max_size=70).map(bytes.hex) | texts,
)


def test_the_file_is_one_line_of_canonical_json() -> None:
    """It is small, readable for people, and holds no secret."""
    assert encode_token_file(TokenKey(MODULE, "drawer", "01")) == (
        b'{"id":"01","module":"/usr/lib/softhsm/libsofthsm2.so","schema":1,"token":"drawer"}\n'
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"module": "libsofthsm2.so"}, "not the absolute path"),
        ({"module": "/" + "x" * 1024}, "not the absolute path"),
        ({"module": "/a\nb"}, "not the absolute path"),
        ({"token": ""}, "not a token's label"),
        ({"token": "x" * 33}, "not a token's label"),
        ({"token": "é" * 17}, "not a token's label"),
        ({"token": " drawer"}, "not a token's label"),
        ({"id": ""}, "not the id of a key"),
        ({"id": "1"}, "not the id of a key"),
        ({"id": "AB"}, "not the id of a key"),
        ({"id": "00" * 65}, "not the id of a key"),
        ({"id": 1}, "not a token file of schema 1"),
        ({"schema": 2}, "not a token file of schema 1"),
        ({"schema": True}, "not a token file of schema 1"),
        ({"pin": "1234"}, "not a token file of schema 1"),
    ],
)
def test_another_value_is_refused(change, words) -> None:
    """Each member has a form; there are no others, and none for a PIN."""
    with pytest.raises(KeyStoreError, match=words):
        decode_token_file("root-1", encode_canonical_json(VALUE | change))


def test_a_missing_member_is_refused() -> None:
    """Nothing is guessed."""
    for member in VALUE:
        value = {name: VALUE[name] for name in VALUE if name != member}
        with pytest.raises(KeyStoreError, match=r"root-1\.token is not a token file"):
            decode_token_file("root-1", encode_canonical_json(value))


@given(keys)
def test_what_is_written_comes_back(key) -> None:
    """Reading gives what was written, or it could not be written."""
    try:
        check_token_key(key)
    except KeyStoreError:
        with pytest.raises(KeyStoreError):
            encode_token_file(key)
        return
    assert decode_token_file("root-1", encode_token_file(key)) == key


@given(st.binary(max_size=300) | st.dictionaries(texts, texts).map(encode_canonical_json))
def test_arbitrary_bytes_are_refused_with_our_error(data) -> None:
    """No bytes make the reader fail otherwise."""
    with pytest.raises(KeyStoreError):
        decode_token_file("root-1", data)


@given(st.sampled_from(sorted(VALUE)), st.integers() | texts | st.none() | st.lists(texts))
def test_a_changed_member_comes_back_or_is_refused(member, value) -> None:
    """What is read is written as the same bytes."""
    data = encode_canonical_json(VALUE | {member: value})
    try:
        key = decode_token_file("root-1", data)
    except KeyStoreError:
        return
    assert encode_token_file(key) == data
