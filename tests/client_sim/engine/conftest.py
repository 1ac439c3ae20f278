import datetime as dt
import io
import os
import tarfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from client_sim.engine.payload import Payload, PayloadFile, decode_header, load_payload


def make_certificate(key) -> bytes:
    """Make a self-signed PEM certificate that has long expired, which a phone ignores."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(dt.datetime(2009, 1, 1, tzinfo=dt.UTC))
    builder = builder.not_valid_after(dt.datetime(2010, 1, 1, tzinfo=dt.UTC))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="session")
def key():
    """Make the key that signs test payloads."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def certificate(key) -> bytes:
    """Make the certificate of `key`."""
    return make_certificate(key)


@pytest.fixture(scope="session")
def samples() -> dict[str, bytes]:
    """AOSP's sample payloads and images by file name."""
    folder = os.environ.get("HENING_SAMPLES")
    if not folder:
        pytest.fail("HENING_SAMPLES must name the folder with AOSP's sample payloads")
    found = {}
    for archive in ("sample_payloads.tar.xz", "sample_images.tar.bz2"):
        with tarfile.open(Path(folder) / archive) as tar:
            for member in tar.getmembers():
                found[Path(member.name).name] = tar.extractfile(member).read()
    return found


@pytest.fixture(scope="session")
def open_payload():
    """Give a function that loads a payload from bytes."""

    def load(data: bytes) -> Payload:
        file = PayloadFile(io.BytesIO(data), 0, len(data))
        return load_payload(file, decode_header(file))

    return load
