import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError
from client_sim.engine.package import verify_package_signature
from client_sim.engine.signatures import find_signed_length, verify_whole_file
from tests.cases import case
from tests.client_sim.engine.ota_zip import comment, sign_package

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def _verify(data, key):
    verify_package_signature(io.BytesIO(data), key.public_key())


def _verify_tail(tail, digest, key):
    find_signed_length(tail, len(tail))
    verify_whole_file(tail, digest, key.public_key())


def test_every_signed_byte_counts(key):
    """One changed byte anywhere before the comment's length is noticed."""
    data = sign_package(EMPTY_ZIP, key)
    _verify(data, key)
    for at in range(len(EMPTY_ZIP) - 2):
        with pytest.raises(EngineError):
            _verify(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], key)


def test_every_byte_of_the_comment_is_read_or_harmless(key):
    """A changed byte of the comment ends in a refusal, or leaves the signature what it was."""
    data = sign_package(EMPTY_ZIP, key)
    for at in range(len(EMPTY_ZIP) - 2, len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            _verify(changed, key)
        except EngineError:
            continue
        assert changed[: len(EMPTY_ZIP) - 2] == data[: len(EMPTY_ZIP) - 2]


def test_packages_that_are_not_signed_are_refused(key):
    """No comment, a footer that leads elsewhere, a second end record, a length that lies."""
    for data, words in (
        (b"", "no whole-file"),
        (EMPTY_ZIP, "no whole-file"),
        (EMPTY_ZIP[:-2] + comment(b""), "not where it should be"),
        (EMPTY_ZIP[:-2] + comment(b"\x30\x00")[:-2] + b"\xff\xff", "not where it should be"),
        (bytes(22)[:-2] + comment(b"\x30\x00"), "does not end as a signed zip"),
        (EMPTY_ZIP[:-2] + comment(b"PK\x05\x06"), "does not end as a signed zip"),
        (EMPTY_ZIP[:-2] + b"\x01\x00" + comment(b"\x30\x00")[2:], "not as long as it says"),
        (EMPTY_ZIP[:-2] + comment(b"\x30\x00"), "malformed"),
        (EMPTY_ZIP[:-2] + comment(b"\x04\x00"), "malformed"),
        (EMPTY_ZIP[:-2] + comment(b"\x30\x05\x00"), "malformed"),
    ):
        with case(data, words), pytest.raises(EngineError, match=words):
            _verify(data, key)


def test_no_more_than_16_signatures(key):
    """Each costs a phone an exponentiation, and a comment has room for hundreds."""
    _verify(sign_package(EMPTY_ZIP, key, times=16), key)
    with pytest.raises(EngineError, match="more than 16 whole-file signatures"):
        _verify(sign_package(EMPTY_ZIP, key, times=17), key)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_arbitrary_bytes_give_nothing_but_engine_errors(key, before, message):
    """Any end of a file, and any signature in a well-formed comment, is refused with a sentence."""
    digest = hashlib.sha256(b"").digest()
    for tail in (before, EMPTY_ZIP[:-2] + comment(message)):
        with pytest.raises(EngineError):
            _verify_tail(tail, digest, key)
