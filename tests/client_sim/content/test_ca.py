"""Certificates of authorities: what is read of them, what is not, and bytes that are no DER."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.content.ca import check_authority
from client_sim.device.errors import ContentError
from tests.certificates import (
    CONSTRAINTS,
    EXTENSIONS_OF_ODD_FORM,
    extension,
    make_certificate,
    tlv,
)
from tests.server.core.content.samples import DER


def test_certificates_of_a_library_pass():
    """The one of the other tests, made by a library; and one by hand."""
    check_authority(DER)
    check_authority(make_certificate())


@pytest.mark.parametrize("name", EXTENSIONS_OF_ODD_FORM)
def test_what_nobody_asks_about_is_not_read(name):
    """An odd key usage, a name of no type: whoever verifies chains has to say what it means."""
    check_authority(make_certificate(EXTENSIONS_OF_ODD_FORM[name], CONSTRAINTS))


@pytest.mark.parametrize(
    "between", [(), (tlv(0x81, b"\0a"),), (tlv(0x82, b"\0a"),), (tlv(0x81, b""), tlv(0x82, b""))]
)
def test_the_identifiers_that_nobody_uses_may_be_there(between):
    """In front of the extensions, those of issuer and subject (RFC 5280 section 4.1.2.8)."""
    check_authority(make_certificate(between=between))


BROKEN = {
    "nothing": b"",
    "two": make_certificate() * 2,
    "something behind": make_certificate() + b"\0",
    "cut short": make_certificate()[:-1],
    "no end": b"\x30\x80" + make_certificate()[4:] + b"\0\0",
    "a length too long": b"\x30\x83\0" + make_certificate()[2:],
    "a length of four bytes": b"\x30\x84\0\0" + make_certificate()[2:],
    "a short length in the long form": tlv(0x30, b"\x30\x81\x05" + bytes(5)),
    "a length without its bytes": b"\x30\x82\x01",
    "a tag of several bytes": b"\x3f\x1f\x00",
    "a set": tlv(0x31, make_certificate()[4:]),
    "version 2": make_certificate(version=1),
    "no version": make_certificate(version=None),
    "no extensions": make_certificate(extensions_at=None),
    "extensions elsewhere": make_certificate(extensions_at=0xA2),
    "identifiers out of order": make_certificate(between=(tlv(0x82, b""), tlv(0x81, b""))),
    "an identifier twice": make_certificate(between=(tlv(0x81, b""), tlv(0x81, b""))),
    "something in between": make_certificate(between=(tlv(0x0C, b"hello"),)),
    "something behind the extensions": make_certificate(behind=tlv(0x0C, b"hello")),
    "no constraints": make_certificate(extension("551d0f", "03020106")),
    "constraints twice": make_certificate(CONSTRAINTS, CONSTRAINTS),
    "another extension twice": make_certificate(*[extension("2a03", "0500")] * 2, CONSTRAINTS),
    "empty constraints": make_certificate(extension("551d13", "3000")),
    "constraints that say no": make_certificate(extension("551d13", "3003010100")),
    "true in BER": make_certificate(extension("551d13", "3003010101")),
    "true of two bytes": make_certificate(extension("551d13", "30040102ffff")),
    "constraints behind constraints": make_certificate(extension("551d13", "30030101ff0500")),
    "text in the constraints": make_certificate(extension("551d13", "30050101ff0c00")),
    "two depths": make_certificate(extension("551d13", "30090101ff020100020100")),
    "critical in BER": make_certificate(extension("551d13", "30030101ff", critical="010101")),
    "critical, and not": make_certificate(extension("551d13", "30030101ff", critical="010100")),
    "an extension without a value": make_certificate(tlv(0x30, tlv(6, b"*")), CONSTRAINTS),
    "an extension in an extension": make_certificate(tlv(0x31, CONSTRAINTS), CONSTRAINTS),
}


@pytest.mark.parametrize("name", BROKEN)
def test_all_else_is_refused(name):
    """Other encodings, other shapes, other versions, and who may sign nothing."""
    with pytest.raises(ContentError):
        check_authority(BROKEN[name])


@given(st.data())
def test_a_certificate_that_is_changed_anywhere_is_good_or_refused(data):
    """Bytes exchanged, gone or new; and bytes of any kind."""
    content = bytearray(DER)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    for each in (bytes(content), data.draw(st.binary(max_size=20))):
        with contextlib.suppress(ContentError):
            check_authority(each)
