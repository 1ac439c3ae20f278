"""Certificates of authorities: which server and phone accept, element by element."""

import base64
import re
from pathlib import Path

import certifi
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from client_sim import der as phone_der
from client_sim.content.ca import check_authority
from server.core import der as server_der
from server.core.content.ca import check_ca_certificate
from tests.cases import case
from tests.certificates import CONSTRAINTS, EXTENSIONS_OF_ODD_FORM, extension, make_certificate, tlv
from tests.content.judges import Rule
from tests.server.core.content.samples import DER

AUTHORITY = Rule(check_ca_certificate, check_authority)


def test_valid_ca_certificates_pass() -> None:
    """Roots of certifi, odd extensions and unique identifiers (RFC 5280, 4.1.2.8) are valid."""
    text = Path(certifi.where()).read_text("utf-8")
    found = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", text, re.DOTALL)
    assert len(found) > 100
    for each in found:
        assert AUTHORITY.accepts(base64.b64decode(each)), each
    assert AUTHORITY.accepts(DER)
    assert AUTHORITY.accepts(make_certificate())
    for name, odd in EXTENSIONS_OF_ODD_FORM.items():
        assert AUTHORITY.accepts(make_certificate(odd, CONSTRAINTS)), name
    for tags in ((0x81,), (0x82,), (0x81, 0x82)):
        assert AUTHORITY.accepts(make_certificate(between=[tlv(tag, b"\0a") for tag in tags])), tags


#: By error: the certificate, and the server's message.
BROKEN = {
    "nothing": (b"", "not one certificate"),
    "two": (make_certificate() * 2, "not one certificate"),
    "bytes after it": (make_certificate() + b"\0", "not DER"),
    "cut short": (make_certificate()[:-1], "end within an element"),
    "no end": (b"\x30\x80" + make_certificate()[4:] + b"\0\0", "shortest form"),
    "a length without its bytes": (b"\x30\x82\1", "longer|shortest"),
    "no length": (b"\x30", "shortest form"),
    "no content": (b"\x30\5", "end within an element"),
    "a set": (tlv(0x31, make_certificate()[4:]), "not one certificate"),
    "an empty sequence": (b"\x30\0", "not a sequence of content"),
    "version 2": (make_certificate(version=1), "not of version 3"),
    "no version": (make_certificate(version=None), "no version, or no extensions"),
    "no extensions": (make_certificate(extensions_at=None), "no version, or no extensions"),
    "extensions elsewhere": (make_certificate(extensions_at=0xA2), "no version, or no ext"),
    "identifiers out of order": (
        make_certificate(between=(tlv(0x82, b""), tlv(0x81, b""))),
        "no version, or no extensions",
    ),
    "an identifier twice": (make_certificate(between=(tlv(0x81, b""),) * 2), "no version, or"),
    "an unknown element": (make_certificate(between=(tlv(0x0C, b"hello"),)), "no version, or"),
    "an element after the extensions": (make_certificate(behind=tlv(0x0C, b"hi")), "no version"),
    "no list of extensions": (
        make_certificate(extensions_at=None, behind=tlv(0xA3, tlv(0x31, CONSTRAINTS))),
        "extensions are malformed",
    ),
    "no constraints": (make_certificate(extension("551d0f", "03020106")), "not have basic"),
    "constraints twice": (make_certificate(CONSTRAINTS, CONSTRAINTS), "an extension twice"),
    "another extension twice": (
        make_certificate(*[extension("2a03", "0500")] * 2, CONSTRAINTS),
        "an extension twice",
    ),
    "empty constraints": (make_certificate(extension("551d13", "3000")), "not those of a CA"),
    "constraints of no CA": (
        make_certificate(extension("551d13", "3003010100")),
        "not those of a CA",
    ),
    "true in BER": (make_certificate(extension("551d13", "3003010101")), "not those of a CA"),
    "true of two bytes": (
        make_certificate(extension("551d13", "30040102ffff")),
        "not those of a CA",
    ),
    "bytes after the constraints": (
        make_certificate(extension("551d13", "30030101ff0500")),
        "malformed",
    ),
    "text in the constraints": (
        make_certificate(extension("551d13", "30050101ff0c00")),
        "constraints are malformed",
    ),
    "two depths": (make_certificate(extension("551d13", "30090101ff020100020100")), "malformed"),
    "critical in BER": (
        make_certificate(extension("551d13", "30030101ff", critical="010101")),
        "extension of the",
    ),
    "critical, and not": (
        make_certificate(extension("551d13", "30030101ff", critical="010100")),
        "extension of the",
    ),
    "an extension without a value": (make_certificate(tlv(0x30, tlv(6, b"*")), CONSTRAINTS), "ext"),
    "an extension in a set": (make_certificate(tlv(0x31, CONSTRAINTS), CONSTRAINTS), "extension"),
}


def test_invalid_certificates_are_refused():
    """Other encodings, structures and versions are refused, as are certificates of no CA."""
    for name, (der, message) in BROKEN.items():
        with case(name):
            AUTHORITY.check_refused(der, server=message)


@given(st.data())
def test_mutated_certificates(data):
    """Both agree about a certificate with changed bytes, and about arbitrary bytes."""
    content = bytearray(DER)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    for each in (bytes(content), data.draw(st.binary(max_size=20))):
        AUTHORITY.accepts(each)


def read(data):
    """Return what both readers find: tags and contents, None if both refuse the data."""
    found = []
    for decode, error in (
        (server_der.decode_elements, server_der.FormatError),
        (phone_der.decode_elements, ValueError),
    ):
        try:
            found.append([(each.tag, each.content) for each in decode(data)])
        except error:
            found.append(None)
    assert found[0] == found[1], data
    return found[0]


def test_der_elements() -> None:
    """Lengths have the one form of DER (X.690 section 8.1.3); all others are refused."""
    assert read(b"") == []
    assert read(bytes.fromhex("3007020101020200800500")) == [
        (server_der.SEQUENCE, bytes.fromhex("02010102020080")),
        (5, b""),
    ]
    assert server_der.decode_elements(b"\2\1\1\5\0")[1].encoding == b"\5\0"
    for size in (127, 128, 255, 256, 65_535, 65_536):
        assert read(tlv(4, bytes(size))) == [(4, bytes(size))]
    for encoded in (
        *("30", "3001", "3080", "308000", "308100", "1f0100", "3f0100", "30820080", "02020100ff"),
        *("308500000000010000", "30817f" + "00" * 127, "3082007f" + "00" * 127),
        *("048200ff" + "00" * 255, "0483010000", "0484010000"),
    ):
        assert read(bytes.fromhex(encoded)) is None, encoded


@given(st.integers(0, 2**2000), st.integers(0, 2**64), st.binary(max_size=100))
def test_elements_of_another_encoder(first, second, noise):
    """Both read a sequence of two integers by `cryptography`, with lengths of any form."""
    ((tag, content),) = read(encode_dss_signature(first, second))
    assert tag == phone_der.SEQUENCE
    numbers = read(content)
    assert [each[0] for each in numbers] == [phone_der.INTEGER] * 2
    assert [int.from_bytes(each[1], "big") for each in numbers] == [first, second]
    found = read(noise)
    assert found is None or sum(len(content) + 2 for _, content in found) <= len(noise)
