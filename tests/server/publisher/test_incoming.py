"""Bundles: exactly what they name, in one encoding, and nothing else."""

import hashlib
import shutil

import pytest

from server.core.errors import FormatError
from server.publisher.incoming import ingest_blobs, list_ignored, list_submissions, load_submission
from server.storage.local_blobs import LocalBlobs
from tests.server.ceremony import write_bundle

ROLE = b"{}"
BLOB = b"PK\x03\x04"
SHA256 = hashlib.sha256(BLOB).hexdigest()


@pytest.fixture
def bundle(tmp_path):
    """Give a sound bundle."""
    bundle_id = write_bundle(tmp_path, {("armani", 2): ROLE}, {SHA256: BLOB})
    return tmp_path / bundle_id


def renamed(folder, data):
    """Give a bundle another `bundle.json`, and the name that goes with it."""
    (folder / "bundle.json").write_bytes(data)
    return folder.rename(folder.with_name(hashlib.sha256(data).hexdigest()))


def test_a_sound_one(bundle, tmp_path):
    """Files are read, blobs ingested."""
    submission = load_submission(bundle)
    assert [(f.role, f.version, f.data) for f in submission.files] == [("armani", 2, ROLE)]
    blobs = LocalBlobs(tmp_path / "store")
    ingest_blobs(bundle, submission, blobs)
    assert blobs.length(SHA256) == len(BLOB)


@pytest.mark.parametrize("name", ["x", "metadata/x", "blobs/x", ".hidden", "blobs/" + "0" * 64])
def test_an_extra_file(bundle, name):
    """What the bundle does not name does not lie in it."""
    (bundle / name).write_bytes(b"")
    with pytest.raises(FormatError, match="which it does not name"):
        load_submission(bundle)


@pytest.mark.parametrize("name", ["bundle.json", "metadata/2.armani.json"])
def test_a_missing_file(bundle, name):
    """What the bundle names lies in it."""
    (bundle / name).unlink()
    with pytest.raises(FormatError, match=r"lacks|not a regular file"):
        load_submission(bundle)


@pytest.mark.parametrize("with_folder", [True, False])
def test_a_blob_that_is_not_in_the_bundle(bundle, tmp_path, with_folder):
    """A blob may be left out where the store has it with its length, and else not."""
    (bundle / "blobs" / SHA256).rename(tmp_path / "octets")
    if not with_folder:
        (bundle / "blobs").rmdir()
    blobs = LocalBlobs(tmp_path / "store")
    with pytest.raises(FormatError, match="not in the bundle and not here"):
        ingest_blobs(bundle, load_submission(bundle), blobs)
    blobs.ingest(tmp_path / "octets", SHA256, len(BLOB))
    ingest_blobs(bundle, load_submission(bundle), blobs)
    blobs.path(SHA256).write_bytes(BLOB[:-1])
    with pytest.raises(FormatError, match="not in the bundle and not here"):
        ingest_blobs(bundle, load_submission(bundle), blobs)


@pytest.mark.parametrize("name", ["bundle.json", "metadata", "metadata/2.armani.json", "blobs"])
def test_symbolic_links(bundle, name):
    """A link is not followed, whatever it points to."""
    moved = (bundle / name).rename(bundle.parent / "elsewhere")
    (bundle / name).symlink_to(moved)
    with pytest.raises(FormatError, match=r"not a regular file|not a folder"):
        load_submission(bundle)


def test_a_linked_blob(bundle, tmp_path):
    """A blob that is a link is refused when it is ingested."""
    moved = (bundle / "blobs" / SHA256).rename(tmp_path / "elsewhere")
    (bundle / "blobs" / SHA256).symlink_to(moved)
    with pytest.raises(FormatError, match="not a regular file"):
        ingest_blobs(bundle, load_submission(bundle), LocalBlobs(tmp_path / "store"))


def test_lies(bundle, tmp_path):
    """Other octets than named, of a role, a blob or the bundle itself."""
    role = bundle / "metadata" / "2.armani.json"
    for data in (b"[]", b"{} "):
        role.write_bytes(data)
        with pytest.raises(FormatError, match="not the file that the bundle names"):
            load_submission(bundle)
    role.write_bytes(ROLE)
    (bundle / "blobs" / SHA256).write_bytes(b"XXXX")
    with pytest.raises(FormatError, match="does not hash"):
        ingest_blobs(bundle, load_submission(bundle), LocalBlobs(tmp_path / "store"))
    (bundle / "bundle.json").write_bytes(b"{}\n")
    with pytest.raises(FormatError, match="not the sha256 of its bundle"):
        load_submission(bundle)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b":", b": "),
        (b"\n", b""),
        (b'"schema":1', b'"schema":2'),
        (b'"schema":1', b'"schema":1,"schema":1'),
        (b'"armani"', b'"latest"'),
        (b'"armani"', b'"../../keys"'),
        (b'"length":4', b'"length":4.0'),
        (b'"version":2', b'"version":0'),
        (b'"blobs":[', b'"also":[],"blobs":['),
    ],
)
def test_other_encodings_and_values(bundle, old, new):
    """One bundle has one encoding, and roles that the server signs itself are not in it."""
    data = (bundle / "bundle.json").read_bytes()
    assert old in data
    with pytest.raises(FormatError):
        load_submission(renamed(bundle, data.replace(old, new)))


def test_what_waits(bundle, tmp_path):
    """Only folders that are named like a bundle wait, the oldest first."""
    (tmp_path / ".tmp-1").mkdir()
    (tmp_path / "README").write_bytes(b"")
    (tmp_path / ("0" * 64)).write_bytes(b"a file")
    (tmp_path / ("1" * 64)).symlink_to(bundle)
    shutil.copytree(bundle, tmp_path / ("a" * 64))
    (tmp_path / ("b" * 63)).mkdir()
    assert list_submissions(tmp_path) == sorted(
        [bundle.name, "a" * 64], key=lambda name: (tmp_path / name).stat().st_mtime_ns
    )
    assert list_submissions(tmp_path / "nowhere") == list_ignored(tmp_path / "nowhere") == []
    assert list_ignored(tmp_path) == ["0" * 64, "1" * 64, "README", "b" * 63]
