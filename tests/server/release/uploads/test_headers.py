"""The two headers of tus that carry values of their own."""

import base64
import hashlib

import pytest

from server.core.errors import FormatError
from server.release.uploads.headers import METADATA_LIMIT, decode_checksum, decode_upload_metadata
from server.release.uploads.limits import UploadChecksumError
from tests.cases import case

# `printf abc | sha256sum`
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def encoded(text):
    """Return the base64 of a text."""
    return base64.b64encode(text.encode()).decode()


def test_metadata():
    """The hash is found among ignored keys; the protocol allows keys without a value."""
    for text in (
        f"sha256 {encoded(ABC)}",
        f"filename {encoded('ü.zip')},sha256 {encoded(ABC)}",
        f"sha256 {encoded(ABC)}, is_confidential",
        f"sha256 {encoded(ABC)},empty ",
    ):
        assert decode_upload_metadata(text) == ABC, text


def test_metadata_that_is_refused():
    """Another form, a repeated key, an invalid hash, a second line, too many characters."""
    for text in (
        "",
        "sha256",
        f"SHA256 {encoded(ABC)}",
        f"sha256 {encoded(ABC.upper())}",
        f"sha256 {encoded(ABC + chr(10))}",
        f"sha256 {encoded('../../keys/latest.pem')}",
        f"sha256 {encoded(ABC)},sha256 {encoded(ABC)}",
        f"sha256 {ABC}",
        f"sha256 {encoded(ABC)[:-1]}",
        f"sha256  {encoded(ABC)}",
        f"sha256 {encoded(ABC)},,",
        f"sha256\t{encoded(ABC)}",
        f"a b c,sha256 {encoded(ABC)}",
        f"sha256 {encoded(ABC)}\r\nX-Injected: 1",
        f"ключ {encoded('x')},sha256 {encoded(ABC)}",
        f"sha256 {encoded(ABC)},filename {encoded('x' * METADATA_LIMIT)}",
    ):
        with case(text), pytest.raises(FormatError):
            decode_upload_metadata(text)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_checksum(algorithm):
    """The hash of the bytes matches, however they are cut; that of others does not."""
    text = f"{algorithm} {base64.b64encode(hashlib.new(algorithm, b'abc').digest()).decode()}"
    good = decode_checksum(text)
    good.feed(b"a")
    good.feed(b"bc")
    good.check()
    bad = decode_checksum(text)
    bad.feed(b"abd")
    with pytest.raises(UploadChecksumError):
        bad.check()


def test_the_protocols_own_example():
    """The checksum of "hello world" in the specification of tus 1.0.0."""
    checksum = decode_checksum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
    checksum.feed(b"hello world")
    checksum.check()


def test_a_checksum_that_is_refused():
    """Another algorithm, a hash of another length, and non-canonical base64."""
    for text in (
        "",
        "sha1",
        "md5 1B2M2Y8AsgTpgAmY7PhCfg==",
        "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0",
        "sha1  Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu1=",
    ):
        with case(text), pytest.raises(FormatError):
            decode_checksum(text)
