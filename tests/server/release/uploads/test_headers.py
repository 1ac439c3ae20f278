"""The two headers of tus with values of their own syntax."""

import base64
import hashlib

import pytest

from server.core.errors import FormatError
from server.release.uploads.headers import METADATA_LIMIT, decode_checksum, decode_upload_metadata
from server.release.uploads.limits import UploadChecksumError
from tests.cases import refuse_each

# `printf abc | sha256sum`
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def encoded(text):
    """Return the base64 form of a text."""
    return base64.b64encode(text.encode()).decode()


def test_metadata():
    """The hash is found among other keys, which may have no value."""
    for text in (
        f"sha256 {encoded(ABC)}",
        f"filename {encoded('ü.zip')},sha256 {encoded(ABC)}",
        f"sha256 {encoded(ABC)}, is_confidential",
        f"sha256 {encoded(ABC)},empty ",
    ):
        assert decode_upload_metadata(text) == ABC, text


def test_invalid_metadata():
    """Malformed metadata, a repeated key, and an invalid hash are refused."""
    bad = [
        *("", "sha256", f"SHA256 {encoded(ABC)}", f"sha256 {ABC}", f"sha256 {encoded(ABC)[:-1]}"),
        *(f"sha256 {encoded(each)}" for each in (ABC.upper(), ABC + "\n", "../../keys/latest.pem")),
        *(f"sha256  {encoded(ABC)}", f"sha256 {encoded(ABC)},,", f"sha256\t{encoded(ABC)}"),
        *(f"sha256 {encoded(ABC)},sha256 {encoded(ABC)}", f"a b c,sha256 {encoded(ABC)}"),
        *(f"sha256 {encoded(ABC)}\r\nX-Injected: 1", f"ключ {encoded('x')},sha256 {encoded(ABC)}"),
        f"sha256 {encoded(ABC)},filename {encoded('x' * METADATA_LIMIT)}",
    ]
    refuse_each(FormatError, decode_upload_metadata, bad)


def test_a_checksum():
    """A checksum matches exactly its bytes, however they are split.

    One example is that of the tus 1.0.0 specification.
    """
    example = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="
    for text, data in (
        (example, b"hello world"),
        *(
            (f"{name} {base64.b64encode(hashlib.new(name, b'abc').digest()).decode()}", b"abc")
            for name in ("sha1", "sha256")
        ),
    ):
        good, bad = decode_checksum(text), decode_checksum(text)
        good.feed(data[:1])
        good.feed(data[1:])
        good.check()
        bad.feed(b"abd")
        with pytest.raises(UploadChecksumError):
            bad.check()


def test_invalid_checksums():
    """An unknown algorithm, a wrong length and non-canonical base64 are refused."""
    text = "Kq5sNclPz7QV2+lfQIuc6R7oRu0="
    bad = [
        *("", "sha1", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", f"SHA1 {text}", f"sha1 {text[:-1]}"),
        *(f"sha1  {text}", f"sha256 {text}", f"sha1 {text.replace('0=', '1=')}"),
    ]
    refuse_each(FormatError, decode_checksum, bad)
