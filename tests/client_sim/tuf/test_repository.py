"""Targets: step 5.7 of TUF's client workflow."""

import hashlib

import pytest

from client_sim.tuf.repository import MetadataFolder
from tests.client_sim.tuf.clients import Device
from tests.client_sim.tuf.simulator import Repository


def _fetched(repository):
    return [path for path in repository.requests if path.startswith("targets/")]


@pytest.mark.parametrize("path", ["path/to/a/file.txt", "a-b_c~1%202"])
def test_a_target_is_fetched(client, repository, path):
    """Its path has the hash before the last segment, and the signed bytes are stored.

    It is fetched again only if it has changed or was damaged.
    """
    versions = (b"contents", b"", b"\x00" * 100_000)
    for data in versions:
        repository.add(path, data)
        repository.publish("targets")
        fetched = _fetched(repository)
        assert client.refresh() == 0
        assert _fetched(repository) == fetched
        for _ in range(2):
            assert client.download(path) == 0
            assert client.stored == [data]
    folder, slash, name = path.rpartition("/")
    assert _fetched(repository) == [
        f"targets/{folder}{slash}{hashlib.sha256(data).hexdigest()}.{name}" for data in versions
    ]
    next(file for file in client.targets.rglob("*") if file.is_file()).write_bytes(b"damaged")
    assert client.download(path) == 0
    assert client.stored == [versions[-1]]


def test_arbitrary_software(client, repository):
    """Unsigned bytes are not stored and do not replace the stored target."""
    repository.add("file", b"old!")
    repository.publish("targets")
    assert client.download("file") == 0
    repository.add("file", b"data")
    repository.publish("targets")
    digest = hashlib.sha256(b"data").hexdigest()
    for served in (b"DATA", b"dat", b"data and more", b"", b"d" * 1_000_000):
        repository.files[f"targets/{digest}.file"] = served
        assert client.download("file") == 1
        assert client.stored == [b"old!"]


def test_endless_data(device, repository):
    """The connection is closed after the signed length of a target."""
    repository.add("file", b"data")
    repository.publish("targets")
    written = 0

    def pour(wire):
        nonlocal written
        while True:
            try:
                written += wire.write(b"data" * 10_000)
            except OSError:
                return

    digest = hashlib.sha256(b"data").hexdigest()
    repository.answers[f"targets/{digest}.file"] = (200, pour)
    assert device.download("file") == 1
    assert device.stored == []
    # The sockets' buffers have less room than this.
    assert written < 50_000_000


def test_targets_in_order_up_to_the_first_that_fails(client, repository):
    """Targets after a failure are not fetched, and none if the refresh fails."""
    for name in ("one", "two", "three"):
        repository.add(name, name.encode())
    repository.publish("targets")
    assert client.download("two", "one") == 0
    assert [path.rpartition(".")[2] for path in _fetched(repository)] == ["two", "one"]
    assert client.download("one", "nowhere", "three") == 1
    repository.files["metadata/timestamp.json"] = b"{}"
    assert client.download("three") == 1
    assert client.stored == [b"one", b"two"]
    assert len(_fetched(repository)) == 2


def test_a_name_without_a_hash(tmp_path):
    """Without consistent snapshots a target is served under its own name."""
    repository = Repository(consistent=False)
    repository.add("a/file", b"data")
    repository.publish("targets")
    device = Device(tmp_path, repository)
    device.init()
    assert device.download("a/file") == 0
    assert _fetched(repository) == ["targets/a/file"]
    assert device.stored == [b"data"]


def test_files_of_the_metadata_folder(tmp_path):
    """Each role's file is in the folder, whatever its name is."""
    folder = MetadataFolder(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "note.txt").write_text("hello")  # not metadata
    names = ["role.root", "role.../../x", "role./x", "role.ü?#", "role..", "role.a.json"]
    for name in names:
        folder[name] = name.encode()
    assert sorted(folder) == sorted(names)
    assert len(folder) == len(names)
    assert all(folder[name] == name.encode() for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    del folder["role.root"]
    assert "role.root" not in folder
