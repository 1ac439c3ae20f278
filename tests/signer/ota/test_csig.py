"""Custota's signatures of packages, verified by openssl."""

import hashlib
import json
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.signing import CERTIFICATE_FILE, KEYS
from signer.errors import KeyStoreError
from signer.ota.csig import check_csig, list_parts, make_csig
from signer.ota.errors import PropertiesError, SignatureError
from signer.ota.inspect import inspect_ota
from signer.ota.signatures import decode_certificate
from tests.signer.builds import make_facts

KEY_FILE = KEYS / "FIXTURE-ONLY-ota.key.pem"
PEM, KEY = CERTIFICATE_FILE.read_bytes(), KEY_FILE.read_bytes()
CERTIFICATE = decode_certificate(PEM)


def no_passphrase(name):
    """Fail, because the key is not encrypted."""
    raise AssertionError(name)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return the facts of a package on disk."""
    path = tmp_path_factory.mktemp("csig") / "armani-1.zip"
    path.write_bytes(build_zip(find_build("armani", "id", 1)))
    return inspect_ota(path)


@pytest.fixture(scope="module")
def csig(package, tmp_path_factory):
    """Write the package's csig and return its path."""
    path = tmp_path_factory.mktemp("csig") / "armani-1.zip.csig"
    path.write_bytes(make_csig(package, KEY, PEM, no_passphrase))
    return path


def test_openssl_verifies_csig(package, csig):
    """The csig lists name, offset, size and sha256 of each property file, in order."""
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-binary", "-in", csig]
    shown = subprocess.run(
        [*command, "-CAfile", CERTIFICATE_FILE, "-purpose", "any"], check=True, capture_output=True
    ).stdout
    document, data = json.loads(shown), package.path.read_bytes()
    assert document.keys() == {"version", "files"}
    assert document["version"] == 2
    tokens = [token.split(":") for token in package.property_files.split(",")]
    assert [
        (each["name"], str(each["offset"]), str(each["size"])) for each in document["files"]
    ] == [tuple(token) for token in tokens]
    for each in document["files"]:
        part = data[each["offset"] : each["offset"] + each["size"]]
        assert each["digest"] == hashlib.sha256(part).hexdigest()


def test_make_csig_is_refused(package) -> None:
    """A foreign certificate, a wrong passphrase and a package without metadata.pb are refused."""
    other = (KEYS / "FIXTURE-ONLY-other.cert.pem").read_bytes()
    with pytest.raises(KeyStoreError, match="does not belong to the certificate"):
        make_csig(package, KEY, other, no_passphrase)
    key = serialization.load_pem_private_key(KEY, None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"right"),
    )
    assert make_csig(package, sealed, PEM, lambda _name: b"right")
    with pytest.raises(KeyStoreError, match="passphrase is wrong"):
        make_csig(package, sealed, PEM, lambda _name: b"wrong")
    with pytest.raises(PropertiesError, match=r"does not list metadata\.pb"):
        list_parts(make_facts(1))


def test_check_csig(package, csig, tmp_path):
    """Another package, another certificate and malformed files are refused."""
    check_csig(csig, package, CERTIFICATE)
    other = tmp_path / "armani-2.zip"
    other.write_bytes(build_zip(find_build("armani", "id", 2)))
    with pytest.raises(SignatureError, match="not the csig of the bytes of"):
        check_csig(csig, inspect_ota(other), None)
    stranger = decode_certificate((KEYS / "FIXTURE-ONLY-other.cert.pem").read_bytes())
    with pytest.raises(SignatureError, match="another certificate"):
        check_csig(csig, package, stranger)
    for data in (b"", b"{}", csig.read_bytes()[:-1], PEM):
        broken = tmp_path / "broken.csig"
        broken.write_bytes(data)
        with pytest.raises(SignatureError, match="not a csig of version 2"):
            check_csig(broken, package, None)
