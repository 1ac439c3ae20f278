"""A machine's copy of the shared tree, with damaged stores and interrupted refreshes."""

import dataclasses
import os
import shutil

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Timestamp

from server.publisher.maintenance.check import check_store
from server.storage.errors import StorageError
from server.storage.objects import Objects
from server.storage.s3_tree import S3Tree
from tests.fault_proxy import run_fault_proxy
from tests.server.publisher.test_machines import public_files
from tests.watched_objects import EndedError, stopping_objects

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]
STAMP = "metadata/timestamp.json"
HUGE = bytes(8 << 20)  # over the limit of a role


@pytest.fixture
def copy(site):
    """Return the state folder of a machine that follows the site."""
    folder = site.device("copy")
    open_tree(site, folder).follow()
    return folder


def open_tree(site, folder, objects=None):
    """Return the tree of a process that has just started."""
    return S3Tree(objects or Objects(site.tree), folder.public, folder.staging)


def timestamp_of(folder):
    """Return the version of a copy's timestamp."""
    return Metadata.from_bytes((folder.public / STAMP).read_bytes()).signed.version


def write_reset(site):
    """Write a root with a new timestamp key, and the first timestamp of that key, to the store."""
    first, key = site.first, CryptoSigner.generate_ed25519()
    root = first.ceremony.root(2, {"timestamp": [key.public_key]})
    former = first.published()
    reset = Metadata(
        Timestamp(1, None, former.timestamp.expires, MetaFile(former.snapshot.version))
    )
    reset.sign(key)
    site.write("tree/metadata/2.root.json", root)
    site.write(f"tree/{STAMP}", reset.to_bytes())


def test_interrupted_refresh_after_a_key_reset(site, copy):
    """A refresh interrupted anywhere after a key reset is completed by the next one."""
    write_reset(site)
    at, is_interrupted = 0, True
    while is_interrupted:
        at += 1
        folder = site.device(f"interrupted-{at}")
        shutil.copytree(copy.root, folder.root, dirs_exist_ok=True)
        try:
            objects = stopping_objects(site.tree, at, is_sent=False)
            is_interrupted = open_tree(site, folder, objects).follow() is None
        except EndedError:
            is_interrupted = True
        assert timestamp_of(folder) == (3 if is_interrupted else 1)
        assert open_tree(site, folder).follow()
        assert timestamp_of(folder) == 1
        assert (folder.public / "metadata" / "2.root.json").exists()
    assert at > 5


@pytest.mark.parametrize("root", ["renewed", "forged"])
def test_older_timestamp_without_a_key_reset(site, copy, root):
    """A root with the same timestamp key, or a forged root, does not allow an older timestamp.

    The copy stays as it is.
    """
    older = site.read(f"tree/{STAMP}")
    assert site.first.publish({("tables", 2): site.first.ceremony.role("tables", 2)}).reason == ""
    tree = open_tree(site, copy)
    tree.follow()
    held = timestamp_of(copy)
    ceremony = site.first.ceremony.copy()
    online = {}
    if root == "forged":
        ceremony.keys["root"] = [CryptoSigner.generate_ed25519() for _ in range(3)]
        online = {"timestamp": [CryptoSigner.generate_ed25519().public_key]}
    site.write("tree/metadata/2.root.json", ceremony.root(2, online))
    site.write(f"tree/{STAMP}", older)
    for _ in range(2):
        with pytest.raises(StorageError, match="was restored from an older copy, or changed"):
            tree.follow()
        assert timestamp_of(copy) == held


def test_oversized_foreign_object(site, seaweed):
    """A new machine skips an object that is too large, and `check` reports it."""
    site.write("tree/metadata/8.huge.json", HUGE)
    site.write("tree/log/proof/huge.8", bytes(20_000))
    with run_fault_proxy(seaweed.port) as proxy:
        folder = site.behind(site.device("new"), proxy)
        tree = S3Tree(Objects(folder.tree), folder.public, folder.staging)
        assert tree.follow()
        assert proxy.answered < len(HUGE) / 2
    assert public_files(folder) == public_files(site.first.folder)
    assert tree.too_large() == [
        "tree/log/proof/huge.8 in the S3 store is over its limit of 16384 bytes.",
        "tree/metadata/8.huge.json in the S3 store is over its limit of 5000000 bytes.",
    ]
    (finding,) = check_store(dataclasses.replace(folder, tree=site.tree), os.geteuid())
    assert "tree/log/proof/huge.8 in the S3 store is over its limit" in finding.error


def test_oversized_role(site, copy):
    """If a role's object is too large, the copy stays as it is and the error names the object."""
    before = public_files(copy)
    assert site.first.publish({("tables", 2): site.first.ceremony.role("tables", 2)}).reason == ""
    right = site.read("tree/metadata/2.tables.json")
    site.write("tree/metadata/2.tables.json", HUGE)
    tree = open_tree(site, copy)
    for _ in range(2):
        with pytest.raises(StorageError, match=r"^tree/metadata/2\.tables\.json in the S3 store"):
            tree.follow()
        assert (copy.public / STAMP).read_bytes() == before[STAMP]
    site.write("tree/metadata/2.tables.json", right)
    assert tree.follow()
    assert public_files(copy) == public_files(site.first.folder)
    assert tree.too_large() == []
