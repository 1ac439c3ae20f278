import io
import os
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.payload import Payload, PayloadFile, decode_header, load_payload
from tests.client_sim.engine.certificates import make_certificate


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
