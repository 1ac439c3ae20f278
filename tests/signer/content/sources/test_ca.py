"""Trusted certificates: all of certifi's are there, and others than a CA's are left out."""

import base64
import datetime as dt
import hashlib
import ssl
import subprocess

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signer.content.sources.ca import load_ca
from signer.errors import SourceError
from tests.cases import case
from tests.certificates import CONSTRAINTS, EXTENSIONS_OF_ODD_FORM, make_certificate
from tests.content_rules import check_pack

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def certificate(name: str, oid=NameOID.COMMON_NAME, constraints=None, padding: int = 0) -> bytes:
    """Return a self-signed certificate in PEM."""
    subject = x509.Name([x509.NameAttribute(oid, name)])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(
        subject, subject, KEY.public_key(), 7, day, day + dt.timedelta(days=9)
    )
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    if padding:
        value = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(padding))
        builder = builder.add_extension(value, critical=False)
    return builder.sign(KEY, None).public_bytes(Encoding.PEM)


CA = x509.BasicConstraints(ca=True, path_length=None)


def test_certificates_of_certifi():
    """They are the certificates that the standard library reads from the file."""
    built = load_ca()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    trusted = {hashlib.sha256(der).hexdigest() for der in context.get_ca_certs(binary_form=True)}
    assert set(built.entries) == trusted
    assert len(trusted) > 100
    assert check_pack("ca", built.entries) < 200_000
    for key, entry in built.entries.items():
        assert hashlib.sha256(base64.b64decode(entry["der"])).hexdigest() == key
    names = {entry["name"] for entry in built.entries.values()}
    assert {"ISRG Root X1", "Go Daddy Root Certificate Authority - G2"} <= names
    assert built.left_out.to_json() == []
    assert built.sources[0]["name"] == "certifi"


@pytest.mark.needs("openssl")
def test_key_is_the_fingerprint_of_openssl(tmp_path):
    """An entry's key is the fingerprint that openssl prints."""
    path = tmp_path / "ca.pem"
    path.write_bytes(certificate("Our root", constraints=CA))
    printed = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    [key] = load_ca(path, "1").entries
    assert printed.strip().partition("=")[2].replace(":", "").lower() == key


def test_certificates_that_are_left_out(tmp_path):
    """Other certificates, large ones and duplicates are listed with their line."""
    path = tmp_path / "ca.pem"
    own = certificate("A", NameOID.ORGANIZATION_NAME, CA)
    path.write_bytes(
        b"# a comment\n"
        + own
        + certificate("B", constraints=x509.BasicConstraints(ca=False, path_length=None))
        + certificate("C")
        + certificate("D", constraints=CA, padding=9000)
        + own
    )
    built = load_ca(path, "20250419", name="ca-certificates")
    assert [entry["name"] for entry in built.entries.values()] == ["A"]
    assert built.sources == [
        {"licence": "MPL-2.0", "name": "ca-certificates", "version": "20250419"}
    ]
    lines = path.read_bytes().splitlines()
    begins = [number for number, line in enumerate(lines, 1) if b"BEGIN" in line]
    assert {each["reason"]: each["names"] for each in built.left_out.to_json()} == {
        "the certificate's basic constraints are not those of a CA": {f"line {begins[1]}: B": 1},
        "the certificate has no version, or no extensions": {f"line {begins[2]}: C": 1},
        "it has more than 8192 bytes": {f"line {begins[3]}: D": 1},
        "it is a duplicate": {f"line {begins[4]}: A": 1},
    }


def test_unusual_extensions(tmp_path) -> None:
    """A CA with an extension that libraries cannot parse is accepted, as servers and phones do."""
    for name in EXTENSIONS_OF_ODD_FORM:
        with case(name):
            der = make_certificate(EXTENSIONS_OF_ODD_FORM[name], CONSTRAINTS)
            path = tmp_path / "ca.pem"
            path.write_text(ssl.DER_cert_to_PEM_cert(der))
            built = load_ca(path, "1")
            assert built.left_out.to_json() == []
            check_pack("ca", built.entries)
            assert list(built.entries) == [hashlib.sha256(der).hexdigest()]
    path = tmp_path / "ca.pem"
    path.write_bytes(certificate("ID", NameOID.COUNTRY_NAME, CA))
    assert [entry["name"] for entry in load_ca(path, "1").entries.values()] == ["C=ID"]


def test_damaged_file_is_refused(tmp_path):
    """A truncated or changed certificate is refused, not left out."""
    whole, path = certificate("A", constraints=CA), tmp_path / "ca.pem"
    for data in (b"", whole + whole[:-30], whole + whole.replace(b"\nM", b"\nA", 1)):
        path.write_bytes(data)
        with case(data), pytest.raises(SourceError, match=r"in PEM|not a certificate"):
            load_ca(path, "1")
