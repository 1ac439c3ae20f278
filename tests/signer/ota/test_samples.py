"""Reads payloads that AOSP's own generator wrote."""

import os
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from signer.ota.hashing import Run, Track, hash_runs
from signer.ota.payload import Payload, load_payload, load_payload_signature
from signer.ota.payload_checks import check_manifest, operations_with_data

pytestmark = pytest.mark.needs("samples")

NEW_KERNEL = "c51d9edeaf1043efe41257caebc1336ac21e411abb6ed4183324be6e841c448c"
NEW_ROOT = "5610597d03d3e29f01d722bd743296ef68d076f623c1dca2eb135347c6b8efba"
OLD_KERNEL = "42a879e9d112c81619d2ee9a108d99d09b85144c18297f3c148747758da56d03"
OLD_ROOT = "2cedf8ef8f438566bc835419b0e7a51a3d2679e6485de628aab080d33a712a1f"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack into a folder full_payload.bin and delta_payload.bin."""
    folder = tmp_path_factory.mktemp("samples")
    with tarfile.open(Path(os.environ["HENING_SAMPLES"]) / "sample_payloads.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def _load(path: Path) -> Payload:
    with path.open("rb") as stream:
        return load_payload(stream, 0, path.stat().st_size)


@pytest.mark.parametrize(
    ("name", "length", "manifest", "minor"),
    [("full_payload.bin", 2658, 257, 0), ("delta_payload.bin", 3210, 759, 6)],
)
def test_header(samples: Path, name: str, length: int, manifest: int, minor: int) -> None:
    """Sizes, versions and the absence of signatures are the published ones."""
    payload = _load(samples / name)
    assert payload.length == length
    assert payload.header.manifest_size == manifest
    assert payload.header.signature_size == 0
    assert payload.manifest.minor_version == minor
    assert payload.manifest.block_size == 4096
    assert payload.manifest.max_timestamp == 0
    assert payload.manifest.signatures_offset is None
    with (samples / name).open("rb") as stream:
        assert load_payload_signature(stream, payload) == b""


def test_operations(samples) -> None:
    """The operations are those that are published for the samples."""
    kernel, root = _load(samples / "full_payload.bin").manifest.partitions
    assert (kernel.name, root.name) == ("kernel", "root")
    assert Counter(each.name for each in kernel.operations) == {"REPLACE_BZ": 2}
    assert Counter(each.name for each in root.operations) == {"REPLACE_XZ": 1}
    assert kernel.old is None
    assert root.old is None
    kernel, root = _load(samples / "delta_payload.bin").manifest.partitions
    assert Counter(each.name for each in kernel.operations) == {
        "BROTLI_BSDIFF": 1,
        "SOURCE_COPY": 1,
        "ZERO": 6,
        "REPLACE_BZ": 6,
    }
    assert Counter(each.name for each in root.operations) == {"REPLACE_XZ": 1}
    old = {each.name: each.old.digest.hex() for each in (kernel, root) if each.old}
    assert old == {"kernel": OLD_KERNEL, "root": OLD_ROOT}


@pytest.mark.parametrize("name", ["full_payload.bin", "delta_payload.bin"])
def test_manifest_and_data_hashes(samples: Path, name: str) -> None:
    """AOSP's manifests are accepted, and each operation's data have their hash."""
    path = samples / name
    payload = _load(path)
    check_manifest(payload.manifest, payload.blobs_length)
    new = {each.name: each.new.digest.hex() for each in payload.manifest.partitions if each.new}
    assert new == {"kernel": NEW_KERNEL, "root": NEW_ROOT}
    operations = [operation for _, operation in operations_with_data(payload.manifest)]
    start = payload.header.blobs_offset
    runs = [
        Run(start + each.data_offset, start + each.data_offset + each.data_length, index)
        for index, each in enumerate(operations)
    ]
    with path.open("rb") as stream:
        digests = hash_runs(stream, payload.length, [Track(runs)])
    assert [digests[index] for index in range(len(runs))] == [each.data_hash for each in operations]
