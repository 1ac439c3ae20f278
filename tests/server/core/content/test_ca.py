"""Which certificates may sign others, and bytes that are not DER."""

import base64
import contextlib
import re
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.content.ca import check_ca_certificate
from server.core.errors import FormatError
from tests.certificates import (
    CONSTRAINTS,
    EXTENSIONS_OF_ODD_FORM,
    extension,
    make_certificate,
    tlv,
)
from tests.server.core.content.samples import DER


def test_every_root_of_certifi_is_one():
    """Also those whose serial numbers violate RFC 5280."""
    text = Path(certifi.where()).read_text("utf-8")
    found = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", text, re.DOTALL)
    assert len(found) > 100
    for each in found:
        check_ca_certificate(base64.b64decode(each))


@pytest.mark.parametrize(
    ("der", "sentence"),
    [
        (b"\x30\x80\x00\x00", "shortest form"),
        (b"\x30\x81\x05" + bytes(5), "shortest form"),
        (b"\x30\x82\x00\x80" + bytes(128), "shortest form"),
        (b"\x30\x84\x00\x00\x00\x00", "shortest form"),
        (b"\x30", "shortest form"),
        (b"\x30\x05", "longer than they are"),
        (b"\x3f\x00", "longer than they are"),
        (b"\x31\x00", "not one certificate"),
        (b"\x30\x00", "not of what is signed"),
        (DER.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"), "not of version 3"),
        (DER.replace(b"\x03U\x1d\x13", b"\x03U\x1d\x0f"), "an extension twice"),
        (make_certificate(extension("551d0f", "03020106")), "does not have basic constraints"),
        (make_certificate(CONSTRAINTS, CONSTRAINTS), "an extension twice"),
        (make_certificate(extension("551d13", "30050101ff0c00")), "constraints are malformed"),
        (make_certificate(extension("551d13", "3003010100")), "not of a CA"),
        (make_certificate(extension("551d13", "3000")), "not of a CA"),
        (make_certificate(extension("551d13", "30030101ff", "010100")), "extension of the"),
        (make_certificate(between=(tlv(0x0C, b"hello"),)), "no version, or no extensions"),
        (make_certificate(between=(tlv(0x82, b""), tlv(0x81, b""))), "no version, or no ext"),
        (make_certificate(behind=tlv(0x0C, b"hello")), "no version, or no extensions"),
        (make_certificate(extensions_at=None), "no version, or no extensions"),
        (DER.replace(b"\x30\x03\x01\x01\xff", b"\x30\x03\x01\x01\x01"), "not of a CA"),
    ],
)
def test_what_is_refused(der, sentence):
    """Lengths of other forms, other shapes, other versions, and a `cA` that is not true in DER."""
    with pytest.raises(FormatError, match=sentence):
        check_ca_certificate(der)


@pytest.mark.parametrize("name", EXTENSIONS_OF_ODD_FORM)
def test_what_nobody_asks_about_is_not_read(name):
    """Extensions other than basic constraints concern those who verify chains."""
    check_ca_certificate(make_certificate(EXTENSIONS_OF_ODD_FORM[name], CONSTRAINTS))


@pytest.mark.parametrize("tags", [[0x81], [0x82], [0x81, 0x82]])
def test_identifiers_of_issuer_and_subject_may_be_there(tags):
    """In front of the extensions (RFC 5280 section 4.1.2.8)."""
    check_ca_certificate(make_certificate(between=[tlv(tag, b"\0a") for tag in tags]))


@given(st.data())
def test_a_certificate_that_is_changed_anywhere_raises_only_our_error(data):
    """Bytes are exchanged, removed or added."""
    content = bytearray(DER)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(FormatError):
        check_ca_certificate(bytes(content))
