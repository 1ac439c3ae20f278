"""A mirror in a folder: copies of and links to packages, and its lock."""

import fcntl
import hashlib

import pytest

from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from tests.server.publisher.mirror.mirrors import Folder
from tests.server.world import PACKAGE_1, PACKAGE_2


@pytest.fixture
def mirror(tmp_path):
    """Return an empty mirror."""
    return Folder(tmp_path / "mirror")


@pytest.mark.parametrize("link", [False, True])
def test_unchanged_files_are_not_replaced(world, mirror, link):
    """Unchanged files are not replaced; packages are copied or linked, and world-readable."""
    mirror.export(world, link=link)
    before = {path: path.stat().st_ino for path in mirror.out.rglob("*") if path.is_file()}
    mirror.export(world, link=link)
    kept = {path: number for path, number in before.items() if path.name[0] != "."}
    assert {path: path.stat().st_ino for path in kept} == kept
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    mirror.export(world, link=link)
    blobs = LocalBlobs(world.folder.blobs)
    for data in (PACKAGE_1, PACKAGE_2):
        name = hashlib.sha256(data).hexdigest()
        (copy,) = mirror.out.glob(f"targets/armani/*/*/{name}.*")
        assert (copy.stat().st_ino == blobs.path(name).stat().st_ino) is link
        assert copy.stat().st_mode & 0o444 == 0o444


def test_empty_folders_are_removed(world, mirror):
    """A folder is removed with its last file."""
    mirror.export(world)
    mirror.put("targets/old/armani/stray", b"x")
    assert mirror.export(world).removed == 1
    assert not (mirror.out / "targets/old").exists()


def test_simultaneous_export_is_refused(world, mirror):
    """A second export to the same folder is refused while the first one runs."""
    mirror.export(world)
    with (mirror.out / ".mirror.lock").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another export"):
            mirror.export(world)
