"""Bundles: exactly the named files, in one encoding, and nothing else."""

import asyncio
import hashlib
import json
import lzma
import re
import shutil

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
from tests.server.ceremony import write_bundle
from tests.server.core.content.samples import (
    NEWS,
    PICTURE,
    entries_of,
    jpeg,
    make_pack_role,
    pack,
    segment,
)
from tests.server.publisher.test_submissions import refused
from tests.server.world import refresh_from_disk

ROLE = b"{}"
BLOB = b"PK\x03\x04"
SHA256 = hashlib.sha256(BLOB).hexdigest()


@pytest.fixture
def bundle(tmp_path):
    """Give a valid bundle."""
    bundle_id = write_bundle(tmp_path, {("armani", 2): ROLE}, {SHA256: BLOB})
    return tmp_path / bundle_id


def renamed(folder, data):
    """Give a bundle another `bundle.json`, and the matching name."""
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
    """A file that the bundle does not name is refused."""
    (bundle / name).write_bytes(b"")
    with pytest.raises(FormatError, match="which it does not name"):
        load_submission(bundle)


@pytest.mark.parametrize("name", ["bundle.json", "metadata/2.armani.json"])
def test_a_missing_file(bundle, name):
    """A file that the bundle names must be there."""
    (bundle / name).unlink()
    with pytest.raises(FormatError, match=r"lacks|not a regular file"):
        load_submission(bundle)


@pytest.mark.parametrize("with_folder", [True, False])
def test_a_blob_that_is_not_in_the_bundle(bundle, tmp_path, with_folder):
    """A blob may be omitted if the store has it with its length, and not otherwise."""
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
    """A link is not followed, whatever its target."""
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
    """Other bytes than named, of a role, a blob or the bundle itself."""
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
    """A bundle has one encoding, and roles that the server signs itself are not in it."""
    data = (bundle / "bundle.json").read_bytes()
    assert old in data
    with pytest.raises(FormatError):
        load_submission(renamed(bundle, data.replace(old, new)))


def test_what_waits(bundle, tmp_path):
    """Only folders with a bundle's name count, the oldest first."""
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


PART = "content/notices/00.xz"


def xz(data):
    """Return bytes in one stream."""
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)


def part(**changes):
    """Return a part of notices as JSON, with members changed."""
    whole = {"entries": {"a": NEWS}, "kind": "notices", "part": 0, "schema": 1} | changes
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def submit(world, files, kinds=("notices",), **options):
    """Sign `content` with packs some of whose files have other bytes; return bundle and blobs."""
    targets, sound = make_pack_role(
        "content", {kind: entries_of(kind) for kind in kinds}, version=2, **options
    )
    targets.expires = world.published().roles["content"].expires
    for path, data in files.items():
        targets.targets[path].length = len(data)
        targets.targets[path].hashes["sha256"] = hashlib.sha256(data).hexdigest()
    blobs = list((sound | files).values())
    world.ceremony.blobs |= {hashlib.sha256(data).hexdigest(): data for data in blobs}
    return {("content", 2): world.ceremony.sign("content", targets)}, blobs


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (xz(bytes(60_000_000)), "holds nothing, or more than 2097152"),
        (xz(part().encode()) + b"\0", "goes on behind its stream"),
        (xz(part().encode()) * 2, "goes on behind its stream"),
        (xz(b"[" * 100_000), "cannot be read"),
        (xz(part().replace('"info"', "1.5").encode()), "1.5 is not an integer"),
        (xz(part().replace('"part":0', '"part":0,"part":0').encode()), "canonical"),
        (xz(part(kind="themes").encode()), "part 0 of notices says that it is part 0 of 'themes'"),
        (
            xz(part(entries={"a": NEWS | {"x": 1}}).encode()),
            "entry 'a' of notices: .*unknown field",
        ),
        (xz(part().replace("Kabar", "K\u202ebar").encode()), r"'a' of notices: id: .*U\+202E"),
        (xz(part().replace("Kabar", "<script>").encode()), r"'a' of notices: id: .*holds .<."),
        (xz(part().replace("example.com", "evil.example").encode()), "not an allowed host"),
        (b"PK\x03\x04" * 9, "cannot be decoded"),
    ],
)
def test_a_hostile_part(world, data, sentence):
    """The reason names kind, key and rule."""
    files, blobs = submit(world, {PART: data})
    assert re.search(sentence, refused(world, files, blobs))


def test_an_entry_in_another_part(world):
    """Otherwise the changed parts would reveal what changed."""
    love = part(kind="greetings", entries={"occasion/love": {"days": {}, "name": {"en": "Love"}}})
    files, blobs = submit(world, {"content/greetings/00.xz": xz(love.encode())}, ["greetings"])
    assert "part 0 of greetings holds occasion/love" in refused(world, files, blobs)


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (PICTURE[:20] + segment(0xE1, b"Exif\0\0") + PICTURE[20:], "FFE1"),
        (jpeg(128, 64), "is 128x64, not 64x64"),
        (PICTURE + b"<script>", "goes on behind its end"),
        (b"\x89PNG\r\n\x1a\n", "does not begin as a JPEG"),
    ],
)
def test_a_hostile_picture(world, picture, sentence):
    """Metadata, another size, bytes after the end, another format."""
    entries = entries_of("wallpapers")
    entries["waves"] |= {
        "length": len(picture),
        "sha256": hashlib.sha256(picture).hexdigest(),
    }
    data, blobs = world.ceremony.packs(
        "content", 2, {"wallpapers": entries}, pictures={"waves": picture}
    )
    reason = refused(world, {("content", 2): data}, blobs)
    assert "the entry 'waves' of wallpapers: a picture" in reason
    assert sentence in reason


def test_a_picture_that_is_too_large(world):
    """The role states its length, and nothing is read."""
    large = {"content/wallpapers/waves.jpg": bytes(8_388_609)}
    files, blobs = submit(world, large, ["wallpapers"])
    assert "waves.jpg has 8388609 bytes" in refused(world, files, blobs)


def test_a_part_that_is_missing(world):
    """In the role, and in bundle and store."""
    targets, files = make_pack_role("tables", {"zones": entries_of("zones")}, version=2)
    targets.expires = world.published().roles["tables"].expires
    world.ceremony.blobs |= {hashlib.sha256(d).hexdigest(): d for d in files.values()}
    blobs = list(files.values())
    role = {("tables", 2): world.ceremony.sign("tables", targets)}
    gone = [data for path, data in files.items() if path != "tables/zones/03.xz"]
    assert "tables/zones/03.xz is not in the bundle and not here" in refused(world, role, gone)
    del targets.targets["tables/zones/03.xz"]
    role = {("tables", 2): world.ceremony.sign("tables", targets)}
    assert "does not list tables/zones/03.xz" in refused(world, role, blobs)


def test_bytes_of_another_hash(world):
    """The bundle's bytes are not those that the role lists."""
    files, blobs = submit(world, {})
    [sha256] = [hashlib.sha256(data).hexdigest() for data in blobs]
    world.ceremony.blobs[sha256] = xz(part(entries={}).encode())
    assert "the blob " in refused(world, files, [world.ceremony.blobs[sha256]])


def test_what_was_published_stays_and_may_be_withdrawn(world):
    """A bad second version leaves the first; a withdrawal needs no blob at all."""
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
    """Check the packs of one role."""
    published = world.published()
    trust = Trust(published.root, published.targets, {**published.roles, "content": targets})
    asyncio.run(check_content(published, trust, {"content"}, blobs, BlobThreads()))


def test_a_store_that_fails_is_no_fault_of_the_pack(world):
    """A damaged blob postpones the bundle; a missing one refuses it."""
    targets, files = make_pack_role("content", {"notices": {"a": NEWS}}, version=2)
    blobs = LocalBlobs(world.folder.blobs)
    with pytest.raises(PublishError, match="not in the bundle and not here"):
        check(world, targets, blobs)
    path = blobs.path(hashlib.sha256(files[PART]).hexdigest())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(len(files[PART])))
    with pytest.raises(StorageError, match="damaged in the store"):
        check(world, targets, blobs)
    path.write_bytes(files[PART])
    check(world, targets, blobs)


def test_other_roles_are_not_looked_at(world):
    """And a role of packs only if it changes."""
    targets, _ = make_pack_role("content", {"notices": {"A": NEWS}}, version=2)
    published = world.published()
    trust = Trust(published.root, published.targets, {**published.roles, "content": targets})
    blobs = LocalBlobs(world.folder.blobs)
    asyncio.run(check_content(published, trust, {"armani", "tables"}, blobs, BlobThreads()))
    with pytest.raises((PublishError, FormatError)):
        asyncio.run(check_content(None, trust, {"content"}, blobs, BlobThreads()))
