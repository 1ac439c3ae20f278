"""Packages that a fleet builds, read by the engine and by the signer's own reader."""

import hashlib
import io

import pytest

from client_sim.engine.apply import write_partitions
from client_sim.engine.package import load_verified_payload, open_package
from client_sim.engine.signatures import load_certificate_key
from client_sim.fleet.builds import PackageSigner, make_build, make_package, write_images
from signer.ota.inspect import inspect_ota

NOW = 1_770_000_000
MADE = NOW - 86_400


@pytest.fixture(scope="module")
def signer():
    """Make the key of one run."""
    return PackageSigner(NOW)


def apply(package, certificate, folder):
    """Return the partitions that the engine writes from a package."""
    opened = open_package(
        io.BytesIO(package.data),
        property_files=package.property_files,
        payload_properties=package.payload_properties,
    )
    payload = load_verified_payload(opened, load_certificate_key(certificate))
    folder.mkdir()
    write_partitions(payload, lambda _name: folder, folder)
    return {file.stem: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("size", [1, 65_536, 600_000])
def test_engine_installs_a_package(signer, tmp_path, size):
    """The package has the requested size and gives the build's images."""
    build = make_build("armani", 3, MADE, size)
    package = make_package(build, signer)
    assert apply(package, signer.certificate, tmp_path / "out") == dict(build.images)
    assert max(size, 8192) - 8192 < len(package.data) <= max(size, 8192)
    written = write_images([build], tmp_path / "images")[build.facts.fingerprint]
    assert {name: file.read_bytes() for name, file in written.items()} == dict(build.images)


def test_signer_reads_a_package(signer, tmp_path):
    """Another reader of the format finds the same build and valid signatures."""
    build = make_build("armani", 3, MADE, 20_000)
    package = make_package(build, signer)
    file = tmp_path / "ota.zip"
    file.write_bytes(package.data)
    found = inspect_ota(file, certificate=signer.certificate)
    assert found.signed.payload
    assert found.signed.whole_file
    assert found.fingerprint == "Hening/armani/armani:14/FLEET/3:user/release-keys"
    assert found.post_timestamp == MADE
    assert found.sha256 == hashlib.sha256(package.data).hexdigest()


def test_builds_differ():
    """Builds differ by model and counter in every partition."""
    builds = [make_build(name, number, MADE, 9000) for name in ("a", "b") for number in (1, 2)]
    for partition in ("boot", "system"):
        assert len({build.images[partition] for build in builds}) == 4
