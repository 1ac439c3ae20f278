from pathlib import Path

import pytest

from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.signing import CERTIFICATE_FILE


@pytest.fixture(scope="session")
def full() -> bytes:
    """Build the full package of armani's build 2."""
    return build_zip(find_build("armani", "id", 2))


@pytest.fixture(scope="session")
def step() -> bytes:
    """Build the package from dior's build 1 to build 2, which uses brotli."""
    return build_zip(find_build("dior", "eu", 2), find_build("dior", "eu", 1))


@pytest.fixture(scope="session")
def certificate() -> bytes:
    """Return the certificate whose key signed the fixture packages."""
    return CERTIFICATE_FILE.read_bytes()


@pytest.fixture
def package(tmp_path: Path, full: bytes) -> Path:
    """Write a good full package on disk."""
    path = tmp_path / "package.zip"
    path.write_bytes(full)
    return path
