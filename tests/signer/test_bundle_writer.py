import hashlib
import json
import os
from pathlib import Path

import pytest

from signer.bundle_writer import Blob, prepared_bundle
from signer.errors import ReleaseRefusal

DATA = b"package " * 300_000


@pytest.fixture
def blob(tmp_path):
    """Make a file to submit."""
    path = tmp_path / "package.zip"
    path.write_bytes(DATA)
    return Blob(path, len(DATA), hashlib.sha256(DATA).hexdigest())


def test_bundle_layout(blob, incoming) -> None:
    """A bundle has the layout of FORMATS section 6; each blob is copied once."""
    with prepared_bundle(incoming, {("armani", 2): b"abc"}, [blob, blob]) as bundle:
        bundle.reveal()
    with blob.path.open("r+b") as file:
        file.write(b"other")
    described = (incoming / bundle.id / "bundle.json").read_bytes()
    assert hashlib.sha256(described).hexdigest() == bundle.id
    assert json.loads(described) == {
        "blobs": [{"length": len(DATA), "sha256": blob.sha256}],
        "kind": "submission",
        "roles": [
            {
                "length": 3,
                "name": "armani",
                "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "version": 2,
            }
        ],
        "schema": 1,
    }
    assert sorted(
        str(path.relative_to(incoming / bundle.id)) for path in incoming.glob("*/**/*")
    ) == ["blobs", f"blobs/{blob.sha256}", "bundle.json", "metadata", "metadata/2.armani.json"]
    assert (incoming / bundle.id / "blobs" / blob.sha256).read_bytes() == DATA
    assert [path.name for path in incoming.iterdir()] == [bundle.id]


def test_changed_package_is_refused(blob, incoming) -> None:
    """Different, additional or missing bytes since the inspection leave no bundle."""
    for data in (b"Package" + DATA[7:], b"package package" + DATA[7:], DATA[:-1]):
        blob.path.write_bytes(data)
        with (
            pytest.raises(ReleaseRefusal, match="has changed since it was inspected"),
            prepared_bundle(incoming, {("armani", 2): b"abc"}, [blob]),
        ):
            raise AssertionError("the bundle was prepared")
        assert not list(incoming.iterdir())


def test_progress(blob, incoming) -> None:
    """Progress counts bytes up to the total."""
    seen = []
    with prepared_bundle(
        incoming, {("armani", 2): b"abc"}, [blob], lambda done, total: seen.append((done, total))
    ):
        assert seen[-1] == (len(DATA), len(DATA))
    assert seen == sorted(seen)
    assert len(seen) == 3


def test_documented_id(incoming, tmp_path) -> None:
    """The bundle of FORMATS has the documented id."""
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    blob = Blob(empty, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    with prepared_bundle(incoming, {("armani", 2): b"abc"}, [blob]) as bundle:
        assert bundle.id == "14e13884363fdc0f90af798eac5759585a70845bba05ce282bb5474f18bc0b20"


def test_bundle_is_flushed_before_rename(blob, incoming, monkeypatch) -> None:
    """Files are flushed first, then their folders, the bundle and its parent."""
    flushed = []
    fsync = os.fsync

    def spy(descriptor):
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    with prepared_bundle(incoming, {("armani", 2): b"abc"}, [blob]) as bundle:
        assert sorted(flushed) == sorted(["2.armani.json", blob.sha256, "bundle.json"])
        bundle.reveal()
    assert sorted(flushed[3:5]) == ["blobs", "metadata"]
    assert flushed[5:] == [f".tmp-{bundle.id}.{os.getpid()}", "incoming"]
