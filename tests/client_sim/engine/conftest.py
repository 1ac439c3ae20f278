import os
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.slots import Slots
from fixtures.catalogue import find_build
from tests.client_sim.engine.images import OLD
from tests.client_sim.engine.ota_zip import RUNNING, make_certificate
from tests.client_sim.engine.streamed import make_phone


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
    """Return AOSP's sample payloads and images by file name."""
    folder = os.environ.get("HENING_SAMPLES")
    if not folder:
        pytest.fail("HENING_SAMPLES must name the folder with AOSP's sample payloads")
    found = {}
    for archive in ("sample_payloads.tar.xz", "sample_images.tar.bz2"):
        with tarfile.open(Path(folder) / archive) as tar:
            for member in tar.getmembers():
                found[Path(member.name).name] = tar.extractfile(member).read()
    return found


@pytest.fixture
def builds():
    """Return builds 0, 1 and 2 of one model."""
    return [find_build("armani", "id", number) for number in range(3)]


@pytest.fixture
def slots(tmp_path, builds):
    """Make a phone with build 0."""
    return make_phone(tmp_path / "phone", builds[0])


@pytest.fixture
def small(tmp_path):
    """Make a phone whose one partition holds OLD."""
    image = tmp_path / "image"
    image.write_bytes(OLD)
    slots = Slots(tmp_path / "phone")
    slots.flash_factory({"system": image}, RUNNING)
    return slots
