"""Bundles have exactly the files that they name, and their packs obey the rules."""

import asyncio
import hashlib
import json
import lzma
import os
import re

import pytest

from server.core.errors import FormatError
from server.publisher.errors import PublishError
from server.publisher.incoming import (
    check_content,
    ingest_blobs,
    list_ignored,
    list_submissions,
    load_submission,
)
from server.publisher.published import Trust
from server.storage.blobs import BlobThreads
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from tests.cases import case
from tests.server.ceremony import write_bundle
from tests.server.core.content.samples import (
    NEWS,
    PICTURE,
    entries_of,
    make_pack_role,
    pack,
    segment,
)
from tests.server.publisher.test_bundle_importer import refused
from tests.server.world import refresh_from_disk

ROLE = b"{}"
BLOB = b"PK\x03\x04"
SHA256 = hashlib.sha256(BLOB).hexdigest()


@pytest.fixture
def bundle(tmp_path):
    """Return the folder of a valid bundle."""
    bundle_id = write_bundle(tmp_path, {("armani", 2): ROLE}, {SHA256: BLOB})
    return tmp_path / bundle_id


def test_valid_bundle(bundle, tmp_path):
    """The files of a valid bundle are loaded and its blobs stored."""
    submission = load_submission(bundle)
    assert [(f.role, f.version, f.data) for f in submission.files] == [("armani", 2, ROLE)]
    blobs = LocalBlobs(tmp_path / "store")
    ingest_blobs(bundle, submission, blobs)
    assert blobs.length(SHA256) == len(BLOB)


def test_additional_missing_and_linked_files(bundle):
    """An additional file, a missing file and a link are refused."""
    for name in ("x", "metadata/x", "blobs/x", ".hidden", "blobs/" + "0" * 64):
        (bundle / name).write_bytes(b"")
        with case(name), pytest.raises(FormatError, match="which it does not name"):
            load_submission(bundle)
        (bundle / name).unlink()
    for name in ("bundle.json", "metadata", "metadata/2.armani.json", "blobs"):
        moved = (bundle / name).rename(bundle.parent / "elsewhere")
        if (bundle / name).suffix:
            with case(name), pytest.raises(FormatError, match=r"lacks|not a regular file"):
                load_submission(bundle)
        (bundle / name).symlink_to(moved)
        with case(name), pytest.raises(FormatError, match=r"not a regular file|not a folder"):
            load_submission(bundle)
        (bundle / name).unlink()
        moved.rename(bundle / name)
    load_submission(bundle)


@pytest.mark.parametrize("with_folder", [True, False])
def test_blob_from_the_store(bundle, tmp_path, with_folder):
    """A blob may be missing from the bundle only if the store has it with its length."""
    (bundle / "blobs" / SHA256).rename(tmp_path / "blob")
    if not with_folder:
        (bundle / "blobs").rmdir()
    blobs = LocalBlobs(tmp_path / "store")
    with pytest.raises(FormatError, match="neither in the bundle nor in the store"):
        ingest_blobs(bundle, load_submission(bundle), blobs)
    blobs.ingest(tmp_path / "blob", SHA256, len(BLOB))
    ingest_blobs(bundle, load_submission(bundle), blobs)
    blobs.path(SHA256).write_bytes(BLOB[:-1])
    with pytest.raises(FormatError, match="neither in the bundle nor in the store"):
        ingest_blobs(bundle, load_submission(bundle), blobs)


def test_linked_blob(bundle, tmp_path):
    """A blob that is a symbolic link is refused."""
    moved = (bundle / "blobs" / SHA256).rename(tmp_path / "elsewhere")
    (bundle / "blobs" / SHA256).symlink_to(moved)
    with pytest.raises(FormatError, match="not a regular file"):
        ingest_blobs(bundle, load_submission(bundle), LocalBlobs(tmp_path / "store"))


def test_files_with_other_bytes(bundle, tmp_path):
    """A role, a blob or a bundle list with other bytes than named is refused."""
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


def test_list_submissions(bundle, tmp_path):
    """Only folders with a bundle's name are submissions, the oldest first; others are ignored."""
    (tmp_path / ".tmp-1").mkdir()
    (tmp_path / "README").write_bytes(b"")
    (tmp_path / ("0" * 64)).write_bytes(b"a file")
    (tmp_path / ("1" * 64)).symlink_to(bundle)
    (tmp_path / ("b" * 63)).mkdir()
    ids = ["f" * 64, bundle.name, "a" * 64]
    for time, name in enumerate(ids):
        (tmp_path / name).mkdir(exist_ok=True)
        os.utime(tmp_path / name, (time, time))
    assert list_submissions(tmp_path) == ids
    assert list_submissions(tmp_path / "nowhere") == list_ignored(tmp_path / "nowhere") == []
    assert list_ignored(tmp_path) == ["0" * 64, "1" * 64, "README", "b" * 63]


PART = "content/notices/00.xz"


def xz(data):
    """Compress data to one xz stream."""
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)


def part(**changes):
    """Return a part of notices as JSON text, with changed members."""
    whole = {"entries": {"a": NEWS}, "kind": "notices", "part": 0, "schema": 1} | changes
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def submit(world, files):
    """Sign `content` with a pack in which `files` replace parts; return bundle and blobs."""
    targets, sound = make_pack_role("content", {"notices": entries_of("notices")}, version=2)
    targets.expires = world.published().roles["content"].expires
    for path, data in files.items():
        targets.targets[path].length = len(data)
        targets.targets[path].hashes["sha256"] = hashlib.sha256(data).hexdigest()
    blobs = list((sound | files).values())
    world.ceremony.blobs |= {hashlib.sha256(data).hexdigest(): data for data in blobs}
    return {("content", 2): world.ceremony.sign("content", targets)}, blobs


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda _: "\0" * 3_000_000, "holds nothing, or more than 2097152"),
        (lambda part: part.replace("Kabar", "<script>"), r"'a' of notices: id: .*holds .<."),
        (lambda part: part.replace("example.com", "evil.example"), "not an allowed host"),
    ],
    ids=["a bomb", "markup", "a foreign host"],
)
def test_invalid_part(world, spoil, sentence):
    """A part that breaks a rule is refused, and the reason names kind, key and rule."""
    files, blobs = submit(world, {PART: xz(spoil(part()).encode())})
    assert re.search(sentence, refused(world, files, blobs))


def test_invalid_picture(world):
    """A picture with metadata is refused, and the reason names the entry."""
    entries, picture = entries_of("wallpapers"), PICTURE[:20] + segment(0xE1, b"Exif\0\0")
    picture += PICTURE[20:]
    sha256 = hashlib.sha256(picture).hexdigest()
    entries["waves"] |= {"length": len(picture), "sha256": sha256}
    data, blobs = world.ceremony.packs(
        "content", 2, {"wallpapers": entries}, pictures={"waves": picture}
    )
    reason = refused(world, {("content", 2): data}, blobs)
    assert "the entry 'waves' of wallpapers: a picture has a segment FFE1" in reason


def test_missing_part(world):
    """A part missing from the role, or from both bundle and store, is refused."""
    targets, files = make_pack_role("tables", {"zones": entries_of("zones")}, version=2)
    targets.expires = world.published().roles["tables"].expires
    world.ceremony.blobs |= {hashlib.sha256(d).hexdigest(): d for d in files.values()}
    blobs = list(files.values())
    role = {("tables", 2): world.ceremony.sign("tables", targets)}
    gone = [data for path, data in files.items() if path != "tables/zones/03.xz"]
    assert "tables/zones/03.xz is neither in the bundle nor in the store" in refused(
        world, role, gone
    )
    del targets.targets["tables/zones/03.xz"]
    role = {("tables", 2): world.ceremony.sign("tables", targets)}
    assert "does not list tables/zones/03.xz" in refused(world, role, blobs)


def test_withdrawal_of_a_pack(world):
    """A refused version changes nothing; a withdrawal needs no blobs."""
    data, blobs = world.ceremony.packs("content", 2, {"notices": {"a": NEWS}})
    assert world.publish({("content", 2): data}, blobs).reason == ""
    bad, worse = world.ceremony.packs(
        "content", 3, {"notices": {"A": NEWS}}, packs={"notices": pack(2)}
    )
    assert "the entry 'A' of notices" in refused(world, {("content", 3): bad}, worse)
    gone, _ = world.ceremony.packs(
        "content", 3, {"notices": {"a": NEWS}}, packs={"notices": pack(withdrawn=[1])}
    )
    assert world.publish({("content", 3): gone}).reason == ""
    assert refresh_from_disk(world.folder, [PART])[1][PART] == blobs[0]


def check(world, targets, blobs):
    """Check the packs of `content`."""
    published = world.published()
    trust = Trust(published.root, published.targets, {**published.roles, "content": targets})
    asyncio.run(check_content(published, trust, {"content"}, blobs, BlobThreads()))


def test_damaged_blob_postpones_a_pack(world):
    """A damaged stored blob postpones the bundle; a missing blob refuses it."""
    targets, files = make_pack_role("content", {"notices": {"a": NEWS}}, version=2)
    blobs = LocalBlobs(world.folder.blobs)
    with pytest.raises(PublishError, match="neither in the bundle nor in the store"):
        check(world, targets, blobs)
    path = blobs.path(hashlib.sha256(files[PART]).hexdigest())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(len(files[PART])))
    with pytest.raises(StorageError, match="damaged in the store"):
        check(world, targets, blobs)
    path.write_bytes(files[PART])
    check(world, targets, blobs)


def test_only_changed_roles_are_checked(world):
    """Packs are only checked in roles that change."""
    targets, _ = make_pack_role("content", {"notices": {"A": NEWS}}, version=2)
    published = world.published()
    trust = Trust(published.root, published.targets, {**published.roles, "content": targets})
    blobs = LocalBlobs(world.folder.blobs)
    asyncio.run(check_content(published, trust, {"armani", "tables"}, blobs, BlobThreads()))
    with pytest.raises((PublishError, FormatError)):
        asyncio.run(check_content(None, trust, {"content"}, blobs, BlobThreads()))
