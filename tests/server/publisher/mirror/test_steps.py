"""A mirror has exactly the served files, and a second run writes nothing."""

import gzip
import hashlib
import uuid
from datetime import timedelta

import pytest

from server.core.errors import FormatError, TrustError
from server.publisher.audit import audit_files
from server.publisher.errors import PublishError
from server.publisher.publisher import Publisher
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from tests.seaweed import PUBLIC
from tests.server.ceremony import release
from tests.server.publisher.mirror.mirrors import Bucket, Folder, read
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND, StoppedError

KINDS = ["folder", pytest.param("bucket", marks=pytest.mark.needs("seaweed"))]
either = pytest.mark.parametrize("mirror", KINDS, indirect=True)


@pytest.fixture
def mirror(request, tmp_path):
    """Return an empty mirror: a folder, unless a test asks for both kinds."""
    if getattr(request, "param", "folder") == "folder":
        return Folder(tmp_path / "mirror")
    return Bucket(request.getfixturevalue("seaweed").place(f"{PUBLIC}/{uuid.uuid4()}"))


@either
def test_mirror_has_the_served_files(world, mirror):
    """A mirror has each document and package at its path; a folder has gzip forms, too."""
    done = mirror.export(world)
    snapshot = world.snapshot()
    expected = {}
    for url, document in snapshot.documents.items():
        expected[url[1:]] = document.identity.body
        if isinstance(mirror, Folder) and document.compressed is not None:
            expected[f"{url[1:]}.gz"] = document.compressed.body
    digest = hashlib.sha256(PACKAGE_1).hexdigest()
    empty = hashlib.sha256(b"").hexdigest()
    expected[f"targets/armani/id/stable/{digest}.armani-1.zip"] = PACKAGE_1
    expected[f"targets/latest/armani/id/{empty}.stable"] = b""
    assert mirror.files() == expected
    assert (done.version, done.files, done.written, done.removed) == (3, *[len(expected)] * 2, 0)
    assert done.size == sum(map(len, expected.values()))
    for path, data in expected.items():
        if path.endswith(".gz"):
            assert gzip.decompress(data) == expected[path.removesuffix(".gz")]
    assert read(world, mirror, [FIRST, CHANNEL.pointer_path]) == (3, [PACKAGE_1, b""])


def test_second_export(world, mirror):
    """A second run writes nothing, and a run after a change writes only new files."""
    mirror.export(world)
    again = mirror.export(world)
    assert (again.written, again.size, again.removed) == (0, 0, 0)
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    changed = mirror.export(world)
    assert 0 < changed.written < changed.files
    assert read(world, mirror, [FIRST, SECOND]) == (5, [PACKAGE_1, PACKAGE_2])


@either
def test_old_files_stay_until_the_next_export(world, mirror):
    """Old files stay until the next run, because a client may still request them."""
    mirror.export(world)
    first = mirror.files().keys()

    pointers = world.published().pointers()

    async def renew(publisher):
        for _ in range(5):
            await publisher.change_pointers(lambda _published: {})
            await publisher.change_pointers(lambda _published: pointers)

    world.run(renew)
    assert mirror.export(world).removed == 0
    assert first <= mirror.files().keys()
    done = mirror.export(world)
    served = {url[1:] for url in (*world.snapshot().documents, *world.snapshot().packages)}
    assert {path.removesuffix(".gz") for path in mirror.files()} == served
    assert done.removed > 0
    assert "metadata/2.latest.json" not in mirror.files()


def test_withdrawn_package_is_removed_after_its_drain(world, mirror):
    """A withdrawn package stays in the mirror while it is served, and is then removed."""
    signed = int((world.published().timestamp.expires - timedelta(days=1)).timestamp())
    drained = release(1, withdrawn=True, drain_until=signed + 3600)
    changed = {("armani", 3): world.ceremony.role("armani", 3, {FIRST: (PACKAGE_1, drained)})}
    assert world.publish(changed).reason == ""
    mirror.export(world)
    assert PACKAGE_1 in mirror.files().values()
    world.ahead += timedelta(hours=2)
    assert world.run(Publisher.refresh) == "timestamp"
    mirror.export(world)
    assert PACKAGE_1 not in mirror.files().values()


def test_missing_or_damaged_blob_stops_an_export(world, mirror):
    """A missing or damaged blob stops an export, and the old mirror stays."""
    mirror.export(world)
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    path = LocalBlobs(world.folder.blobs).path(hashlib.sha256(PACKAGE_2).hexdigest())
    data = path.read_bytes()
    path.write_bytes(b"X" + data[1:])
    with pytest.raises(FormatError, match="does not hash to its name"):
        mirror.export(world)
    assert read(world, mirror, [FIRST]) == (3, [PACKAGE_1])
    path.unlink()
    with pytest.raises(PublishError, match=r"armani-2\.zip is not there"):
        mirror.export(world)
    assert read(world, mirror, [FIRST]) == (3, [PACKAGE_1])
    path.write_bytes(data)
    mirror.export(world)
    assert read(world, mirror, [FIRST, SECOND]) == (4, [PACKAGE_1, PACKAGE_2])


def test_failed_audit(world, mirror):
    """A tree that does not follow from the pinned root is not exported."""
    mirror.export(world)
    before = mirror.get("metadata/timestamp.json")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.folder.trusted_root.write_bytes(world.ceremony.role("armani", 9))
    with pytest.raises(TrustError, match="the audit of the staged tree failed"):
        mirror.export(world)
    assert mirror.get("metadata/timestamp.json") == before


def test_only_changed_roles_are_audited(world, mirror, monkeypatch):
    """The first export audits every role, later ones only new or changed roles.

    Roles of an export that was killed are audited by the next one.
    """
    audited = []

    def record(*arguments):
        audited.append(set(arguments[-1].paths))
        audit_files(*arguments)

    def stop(step):
        if step == 1:
            raise StoppedError

    monkeypatch.setattr("server.publisher.mirror.steps.audit_files", record)
    mirror.export(world)
    assert audited.pop() == {FIRST, CHANNEL.pointer_path}
    mirror.export(world)
    assert audited == []
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    with pytest.raises(StoppedError):
        mirror.export(world, after_step=stop)
    assert audited == []
    mirror.export(world)
    assert audited.pop() == {FIRST}
    mirror.put("metadata/3.armani.json", b"{}")
    mirror.export(world)
    assert audited.pop() == {FIRST}
    mirror.put("metadata/timestamp.json", b"{}")
    mirror.export(world)
    assert audited.pop() == {FIRST, CHANNEL.pointer_path}
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    mirror.export(world)
    assert audited.pop() == {CHANNEL.pointer_path}


@pytest.mark.parametrize("mirror", KINDS[1:], indirect=True)
def test_export_killed_at_any_point(world, mirror):
    """An export killed at any point leaves a valid mirror, and the next run completes it.

    `tests/crash/test_points.py` tests a mirror in a folder.
    """
    mirror.export(world)
    files = {("root", 2): world.ceremony.root(2)} | world.second_release()
    assert world.publish(files, [PACKAGE_2]).reason == ""
    total = mirror.files().keys() | {"metadata/2.root.json"}
    points = [("progress", count) for count in range(1, len(total), 3)]
    points += [("after_step", step) for step in range(1, 5)]
    for hook, point in points:
        calls = iter(range(point - 1, -1, -1))

        def stop(*_, calls=calls):
            if next(calls) == 0:
                raise StoppedError

        with pytest.raises(StoppedError):
            mirror.export(world, **{hook: stop})
        version = 4 if hook == "after_step" and point >= 3 else 3
        assert read(world, mirror, [FIRST]) == (version, [PACKAGE_1]), (hook, point)
    mirror.export(world)
    assert read(world, mirror, [FIRST, SECOND]) == (4, [PACKAGE_1, PACKAGE_2])
    assert mirror.export(world).written == 0


def test_publication_during_an_export(world, mirror):
    """A publication during an export makes it fail; the next run exports the new state."""
    mirror.export(world)
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""

    def publish(step):
        if step == 1:
            world.run(lambda publisher: publisher.change_pointers(world.offer(2)))

    with pytest.raises(StorageError, match="was published while packages were written"):
        mirror.export(world, after_step=publish)
    assert read(world, mirror, [FIRST]) == (3, [PACKAGE_1])
    mirror.export(world)
    assert read(world, mirror, [FIRST, SECOND]) == (5, [PACKAGE_1, PACKAGE_2])


def test_progress(world, mirror):
    """The reported progress grows with each file, and ends with the audit."""
    reports = []
    mirror.export(world, progress=lambda *each: reports.append(each))
    *writing, (last, done, total) = reports
    assert last == "Auditing"
    assert {what for what, _, _ in writing} == {"Writing"}
    assert [data for _, data, _ in writing] == sorted(data for _, data, _ in writing)
    everything = sum(map(len, mirror.files().values()))
    assert len(PACKAGE_1) < writing[-1][1] == done < total == everything


@either
def test_damage_is_repaired(world, mirror):
    """Changed, shortened and removed files are written again; a stray file is removed."""
    mirror.export(world)
    whole = mirror.files()
    root = whole["metadata/1.root.json"]
    (package,) = [path for path, data in whole.items() if data == PACKAGE_1]
    mirror.put("metadata/1.root.json", root.replace(b"root", b"toor", 1))  # of the same length
    mirror.remove("metadata/2.armani.json")
    mirror.put(package, PACKAGE_1[:9])
    mirror.put("targets/stray", b"x")
    done = mirror.export(world)
    assert (done.written, done.removed) == (3, 1)
    assert mirror.files() == whole


@either
def test_malformed_listing(world, mirror):
    """A mirror with a malformed listing is refused."""
    mirror.export(world)
    mirror.put(".mirror.json", b"{}\n")
    with pytest.raises(FormatError, match=r"mirror\.json"):
        mirror.export(world)


@either
def test_place_with_other_files(world, mirror):
    """A place that holds other files is refused and not changed."""
    mirror.put("photos/cat.jpg", b"cat")
    with pytest.raises(PublishError, match=r"is not a mirror, it holds 'photos"):
        mirror.export(world)
    assert mirror.files() == {"photos/cat.jpg": b"cat"}
