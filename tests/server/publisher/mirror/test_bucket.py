"""A mirror in a bucket: headers, conditional writes, multipart uploads, and a failing store."""

import contextlib
import dataclasses
import hashlib
import uuid
from datetime import timedelta
from urllib.request import urlopen

import obstore
import pytest

from server.core.errors import FormatError
from server.http.answers import IMMUTABLE, ONE_MINUTE, Package
from server.publisher.errors import PublishError
from server.publisher.mirror.steps import MirrorFile, plan_mirror
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import S3Blobs
from server.storage.s3_client import PART, blob_key
from tests.cases import case
from tests.fault_proxy import Fault
from tests.recording_relay import run_relay
from tests.seaweed import PUBLIC
from tests.server.core.content.samples import entries_of
from tests.server.device.served import serve
from tests.server.publisher.mirror.mirrors import Bucket, export, read
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND, clock

pytestmark = pytest.mark.needs("seaweed")
LARGE = hashlib.shake_128(b"package").digest(2 * PART + 100_000)  # three parts, the last short
NAME = hashlib.sha256(LARGE).hexdigest()
HEADERS = {"Content-Type": "image/jpeg", "Cache-Control": IMMUTABLE}


def empty_mirror(seaweed):
    """Return an empty mirror."""
    return Bucket(seaweed.place(f"{PUBLIC}/{uuid.uuid4()}"))


@pytest.fixture
def mirror(seaweed):
    """Return an empty mirror."""
    return empty_mirror(seaweed)


def behind(mirror, port, **options):
    """Open the mirror at another port."""
    place = dataclasses.replace(mirror.place, endpoint=f"http://127.0.0.1:{port}")
    return mirror.open(place, **options)


def impatient(mirror, proxy):
    """Open the mirror through the proxy, with one retry and a short timeout."""
    return behind(mirror, proxy.port, patience=timedelta(seconds=0.5), retries=1)


def headers_of(world):
    """Return the planned headers of each file by its path."""
    plan = plan_mirror(world.snapshot(), gzip=False)
    return {file.path: file.headers for file in (*plan.before, *plan.swap)}


GUESSED = {"xz": "application/x-xz", "zip": "application/zip"}


def test_same_answers_as_the_device_plane(world, mirror):
    """Each file has the status, headers and body with which the device plane serves it."""
    kinds = {kind: entries_of(kind) for kind in ("wallpapers", "notices")}
    data, blobs = world.ceremony.packs("content", 2, kinds)
    assert world.publish({("content", 2): data}, blobs).reason == ""
    mirror.export(world)
    seen, sent = set(), headers_of(world)
    with serve(world.folder) as served:
        snapshot = served.plane.served.snapshot
        for path in (*snapshot.documents, *snapshot.packages):
            here = served.get(path, b"DNT: 1")
            with urlopen(f"{mirror.address}{path}") as there:
                assert (there.status, there.read()) == (here.status, here.body)
                for name in ("Cache-Control", "Content-Length", "Content-Encoding"):
                    assert there.headers[name] == here[name], (path, name)
                assert sent[path[1:]]["Content-Type"] == here["Content-Type"]
                # If the type is generic, SeaweedFS derives it from the name's ending.
                kind = GUESSED.get(path.rpartition(".")[2], here["Content-Type"])
                assert there.headers["Content-Type"] == kind
                seen.add((here["Content-Type"], here["Cache-Control"]))
    minute = "public, max-age=60"
    assert seen == {
        ("application/json", minute),  # the timestamp
        ("application/json", IMMUTABLE),
        ("text/plain; charset=utf-8", minute),  # checkpoint and proofs
        ("application/octet-stream", IMMUTABLE),  # tiles and packages
        ("image/jpeg", IMMUTABLE),
    }
    with urlopen(f"{mirror.address}/.mirror.json") as listing:
        assert listing.headers["Cache-Control"] == "no-store"


def test_requests_of_a_run_without_changes(world, mirror):
    """A run without changes makes seven requests, none of which writes."""
    mirror.export(world)
    with run_relay(int(mirror.place.endpoint.rpartition(":")[2])) as relay:
        assert export(world, behind(mirror, relay.port)).written == 0
        lines = [request.split(b"\r\n")[0].decode() for request in relay.requests]
    where = f"/{mirror.place.bucket}/{mirror.place.prefix}/.mirror.json"
    listing, in_bucket = f"GET {where} HTTP/1.1", f"GET /{mirror.place.bucket}"
    assert [line.split("?")[0] for line in lines] == [
        listing,
        *[in_bucket] * 4,
        listing,  # asked again at the end, to see that it is unchanged before anything is removed
        listing,
    ]
    assert all("list-type=2" in line for line in lines[1:4])
    assert "uploads" in lines[4]


def test_object_whose_etag_is_not_its_md5(world, mirror):
    """An object whose ETag is not its MD5 is read, and not written again if it is correct."""
    mirror.export(world)
    attributes = {"Content-Type": "application/json", "Cache-Control": IMMUTABLE}
    root = mirror.get("metadata/1.root.json")
    put = obstore.put(
        mirror.store, "metadata/1.root.json", [root], use_multipart=True, attributes=attributes
    )
    assert hashlib.md5(root).hexdigest() not in put["e_tag"]
    assert mirror.export(world).written == 0


@pytest.fixture(params=["local", "s3"])
def blobs(request, seaweed, tmp_path):
    """Return a store of each kind that has the large package."""
    place = seaweed.place(f"blobs/{uuid.uuid4()}")
    store = LocalBlobs(tmp_path / "blobs") if request.param == "local" else S3Blobs(place, clock)
    (tmp_path / "source").write_bytes(LARGE)
    store.ingest(tmp_path / "source", NAME, len(LARGE))
    return store


def test_package_in_parts(mirror, blobs):
    """A package uploaded in parts has its bytes and headers."""
    file = MirrorFile("targets/large.jpg", Package(NAME, len(LARGE)), HEADERS)
    mirror.open().write(file, blobs)
    with urlopen(f"{mirror.address}/{file.path}") as answer:
        assert answer.read() == LARGE
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_damaged_package(mirror, blobs):
    """A wrong hash is found before the last part is sent, and nothing is left in the bucket."""
    path = blobs.path(NAME) if isinstance(blobs, LocalBlobs) else None
    if path is None:
        obstore.put(blobs._store, blob_key(NAME), b"X" + LARGE[1:])
    else:
        path.write_bytes(b"X" + LARGE[1:])
    file = MirrorFile("targets/large.zip", Package(NAME, len(LARGE)), HEADERS)
    opened = mirror.open()
    with pytest.raises(FormatError, match="does not hash to its name"):
        opened.write(file, blobs)
    assert (mirror.names(), opened._uploads.list()) == (set(), [])


def test_missing_package(mirror, tmp_path):
    """A missing local blob is reported as such, not as an error of the store."""
    for length in (100, len(LARGE)):
        file = MirrorFile("targets/large.zip", Package(NAME, length), HEADERS)
        with pytest.raises(StorageError, match=r"^the data for targets/large\.zip cannot be"):
            mirror.open().write(file, LocalBlobs(tmp_path / "blobs"))
    assert mirror.names() == set()


def test_unfinished_upload_of_a_crash(world, mirror, monkeypatch):
    """An unfinished upload is invisible, and is aborted once it cannot belong to another run."""
    obstore.open_writer(mirror.store, "targets/large.zip", buffer_size=PART).write(LARGE)
    assert mirror.get("targets/large.zip") is None
    (begun,) = mirror.open()._uploads.list()
    mirror.export(world)
    assert mirror.open()._uploads.list() == [begun]
    monkeypatch.setattr("server.publisher.mirror.bucket.ABANDONED_AFTER", timedelta())
    mirror.export(world)
    assert mirror.open()._uploads.list() == []


def test_mirror_in_a_whole_bucket(world, seaweed):
    """A mirror may use a whole bucket, without a prefix, if the bucket holds nothing else."""
    mirror = Bucket(seaweed.place("", bucket=f"mirror-{uuid.uuid4()}"))
    mirror.put("other", b"x")
    with pytest.raises(PublishError, match="is not a mirror, it holds 'other'"):
        mirror.export(world)
    mirror.remove("other")
    assert mirror.export(world).files == len(mirror.names() - {".mirror.json"})
    assert mirror.export(world).written == 0
    obstore.open_writer(mirror.store, "targets/large.zip", buffer_size=PART).write(LARGE)
    assert [upload.key for upload in mirror.open()._uploads.list()] == ["targets/large.zip"]


STEPS = range(5)  # 0 is the beginning


@pytest.fixture
def updated(second_state, tmp_path):
    """Return the same server as `world` after its second build was published."""
    return second_state.copy(tmp_path / "updated")


def failing(proxy, step, fault, times):
    """Return a hook that makes the store fail after a step of an export."""
    proxy.fault, proxy.limit = Fault.NONE, 20

    def after_step(done):
        if done == step:
            proxy.times, proxy.fault = times, fault

    after_step(0)
    return after_step


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.CUT_ANSWER], ids=str)
def test_store_fails_at_each_step(world, updated, seaweed, proxy, fault):
    """If the store fails, the error is one sentence and the mirror is the old or new one.

    The next run completes the export.
    """
    for step in STEPS:
        mirror = empty_mirror(seaweed)
        mirror.export(world)
        hook = failing(proxy, step, fault, -1)
        failure = pytest.raises(StorageError) if step < 4 else contextlib.nullcontext()
        with case(step), failure as failed:
            export(updated, impatient(mirror, proxy), after_step=hook)
        if failed is not None:
            text = str(failed.value)
            assert text.startswith("the S3 store ")
            assert (text.count("\n"), text[-1]) == (0, ".")
        # The timestamp is sent after step 2. A cut answer means that the request was executed.
        is_new = step > 2 or (step, fault) == (2, Fault.CUT_ANSWER)
        assert read(world, mirror, [FIRST]) == (4 if is_new else 3, [PACKAGE_1]), step
        mirror.export(updated)
        assert read(world, mirror, [FIRST, SECOND]) == (4, [PACKAGE_1, PACKAGE_2])


@pytest.mark.parametrize("fault", [Fault.CUT_ANSWER, Fault.LOSE_ANSWER], ids=str)
def test_lost_answer_at_each_step(world, updated, seaweed, proxy, fault):
    """After a lost answer the mirror is valid, and the next run completes it."""
    for step in STEPS:
        mirror = empty_mirror(seaweed)
        mirror.export(world)
        hook = failing(proxy, step, fault, 1)
        with contextlib.suppress(StorageError):
            export(updated, impatient(mirror, proxy), after_step=hook)
        with case(step):
            assert read(world, mirror, [FIRST])[1] == [PACKAGE_1]
            assert mirror.export(updated).version == 4
            assert read(world, mirror, [FIRST, SECOND]) == (4, [PACKAGE_1, PACKAGE_2])
            assert mirror.export(updated).written == 0


@pytest.mark.parametrize("step", STEPS)
def test_export_overtaken_by_a_newer_one(world, updated, mirror, step):
    """An export that a newer one overtakes fails and overwrites nothing."""
    mirror.export(world)
    newer = {}

    def publish_and_export(*_):
        if not newer:
            updated.run(lambda publisher: publisher.change_pointers(updated.offer(2)))
            mirror.export(updated)
            newer.update(mirror.files())

    def at_step(done):
        if done == step:
            publish_and_export()

    # The first progress report comes after the listing is written.
    hooks = {"after_step": at_step} if step else {"progress": publish_and_export}
    if step == 4:
        export(updated, mirror.open(), **hooks)
    else:
        with pytest.raises(StorageError, match="export again"):
            export(updated, mirror.open(), **hooks)
    assert newer.items() <= mirror.files().items()
    assert read(world, mirror, [FIRST, SECOND]) == (5, [PACKAGE_1, PACKAGE_2])
    assert mirror.export(updated).written == 0


def test_older_export_is_refused(world, updated, mirror):
    """An older export is refused once a newer one has begun, and the newer one completes."""
    mirror.export(world)

    def come_between(step):
        if step == 2:
            with pytest.raises(
                PublishError, match="timestamp 4 of root 1, this server is at 3 of root 1"
            ):
                mirror.export(world)

    mirror.export(updated, after_step=come_between)
    assert read(world, mirror, [FIRST, SECOND]) == (4, [PACKAGE_1, PACKAGE_2])
    with pytest.raises(PublishError, match="export from the server that is ahead"):
        mirror.export(world)


def test_new_root_allows_a_lower_timestamp(world, updated, mirror):
    """Under a new root, a mirror accepts a lower timestamp version, as after a stolen key."""
    updated.run(lambda publisher: publisher.change_pointers(updated.offer(2)))
    ahead = mirror.export(updated).version
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    done = mirror.export(world)
    assert done.version < ahead
    assert read(world, mirror, [FIRST]) == (done.version, [PACKAGE_1])
    with pytest.raises(PublishError, match="export from the server that is ahead"):
        mirror.export(updated)


def test_alternating_exports_fail(world, mirror):
    """If two exports write alternately, each fails at the first object that the other wrote."""
    minute = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": ONE_MINUTE}

    def write(opened, path, data):
        opened.write(MirrorFile(path, data, minute), LocalBlobs(world.folder.blobs))

    earlier, later = mirror.open(), mirror.open()
    with earlier.opened() as former:
        earlier.begin(1, 4)
        earlier.write_listing({"log/checkpoint", *former})
    with later.opened() as former:
        assert former == {"log/checkpoint"}
        later.begin(1, 5)
        later.write_listing(former)
    write(earlier, "log/checkpoint", b"4")
    write(later, "log/proof/armani.1", b"5")
    with pytest.raises(
        StorageError, match=r"another export is writing to s3://.*: let it end, and"
    ):
        write(later, "log/checkpoint", b"5")
    with pytest.raises(StorageError, match="another export is writing"):
        write(earlier, "log/proof/armani.1", b"4")
    with pytest.raises(StorageError, match="another export is writing"):
        earlier.write_listing({"log/checkpoint"})
    assert mirror.files() == {"log/checkpoint": b"4", "log/proof/armani.1": b"5"}


def test_simultaneous_exports_of_one_state(world, mirror):
    """Two simultaneous exports of the same state both succeed."""

    def come_between(step):
        if step == 2:
            assert mirror.export(world).removed == 0

    mirror.export(world, after_step=come_between)
    assert read(world, mirror, [FIRST]) == (3, [PACKAGE_1])
    assert mirror.export(world).written == 0
