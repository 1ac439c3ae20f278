"""A mirror is exactly what is served, and a second run writes nothing."""

import fcntl
import gzip
import hashlib
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from server.core.errors import FormatError, TrustError
from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.audit import audit_staged
from server.publisher.errors import PublishError
from server.publisher.mirror import export_mirror
from server.publisher.publisher import Publisher
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from tests.server.ceremony import release
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND


def export(world, **options):
    """Export a server's state into the folder `mirror` beside it."""
    out = world.folder.root.parent / "mirror"
    return out, export_mirror(world.folder, LocalBlobs(world.folder.blobs), out, **options)


def load(world):
    """Return the paths that the server serves."""
    return load_snapshot(world.folder.public, LocalBlobs(world.folder.blobs), EMPTY)


def files(out):
    """Return path and bytes of every file that is meant for readers."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


class MirrorFetcher(FetcherInterface):
    """Reads a mirror as a web server would."""

    def __init__(self, out):
        self.out = out

    def _fetch(self, url):
        path = self.out / url.removeprefix("mirror:/")
        if not path.is_file():
            raise DownloadHTTPError(f"{url} is not there", 404)
        return iter([path.read_bytes()])


def read(world, out, paths=()):
    """Let another TUF client read the mirror; return the timestamp's version and the targets."""
    with TemporaryDirectory() as cache:
        updater = Updater(
            cache,
            "mirror:/metadata/",
            cache,
            "mirror:/targets/",
            MirrorFetcher(out),
            bootstrap=world.folder.trusted_root.read_bytes(),
        )
        updater.refresh()
        found = []
        for path in paths:
            info = updater.get_targetinfo(path)
            found.append(Path(updater.download_target(info, f"{cache}/target")).read_bytes())
        return updater._trusted_set.timestamp.version, found


def test_a_mirror_is_what_is_served(world):
    """Each document and package under its path, with compressed forms, nothing else."""
    out, done = export(world)
    snapshot = load(world)
    expected = {}
    for url, document in snapshot.documents.items():
        expected[url[1:]] = document.identity.body
        if document.compressed is not None:
            expected[f"{url[1:]}.gz"] = document.compressed.body
    digest = hashlib.sha256(PACKAGE_1).hexdigest()
    empty = hashlib.sha256(b"").hexdigest()
    expected[f"targets/armani/id/stable/{digest}.armani-1.zip"] = PACKAGE_1
    expected[f"targets/latest/armani/id/{empty}.stable"] = b""
    assert files(out) == expected
    assert (done.version, done.files, done.written, done.removed) == (3, *[len(expected)] * 2, 0)
    assert done.size == sum(map(len, expected.values()))
    for path, data in expected.items():
        if path.endswith(".gz"):
            assert gzip.decompress(data) == expected[path.removesuffix(".gz")]
    assert read(world, out, [FIRST, CHANNEL.pointer_path]) == (3, [PACKAGE_1, b""])


@pytest.mark.parametrize("link", [False, True])
def test_again_and_after_a_change(world, link):
    """Nothing is written twice; a change writes the new files, with packages copied or linked."""
    out, _ = export(world, link=link)
    before = {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()}
    _, again = export(world, link=link)
    assert (again.written, again.size, again.removed) == (0, 0, 0)
    kept = {path: number for path, number in before.items() if path.name[0] != "."}
    assert {path: path.stat().st_ino for path in kept} == kept
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    _, changed = export(world, link=link)
    assert 0 < changed.written < changed.files
    assert read(world, out, [FIRST, SECOND]) == (5, [PACKAGE_1, PACKAGE_2])
    blobs = LocalBlobs(world.folder.blobs)
    for data in (PACKAGE_1, PACKAGE_2):
        name = hashlib.sha256(data).hexdigest()
        (copy,) = out.glob(f"targets/armani/*/*/{name}.*")
        assert (copy.stat().st_ino == blobs.path(name).stat().st_ino) is link
        assert copy.stat().st_mode & 0o444 == 0o444


def test_stale_files_stay_for_one_more_time(world):
    """Old files stay until the next run, because a client may be reading them."""
    out, _ = export(world)
    first = files(out).keys()

    pointers = world.published().pointers()

    async def renew(publisher):
        for _ in range(12):
            await publisher.change_pointers(lambda _published: {})
            await publisher.change_pointers(lambda _published: pointers)

    world.run(renew)
    _, done = export(world)
    assert done.removed == 0
    assert first <= files(out).keys()
    _, done = export(world)
    served = {url[1:] for url in (*load(world).documents, *load(world).packages)}
    assert {path.removesuffix(".gz") for path in files(out)} == served
    assert done.removed > 0
    assert "metadata/2.latest.json" not in files(out)


def test_a_withdrawn_package_goes_when_it_has_drained(world):
    """Its bytes are there while the device plane serves them, and are then removed immediately."""
    signed = int((world.published().timestamp.expires - timedelta(days=1)).timestamp())
    drained = release(1, withdrawn=True, drain_until=signed + 3600)
    changed = {("armani", 3): world.ceremony.role("armani", 3, {FIRST: (PACKAGE_1, drained)})}
    assert world.publish(changed).reason == ""
    out, _ = export(world)
    assert list(out.glob("targets/armani/id/stable/*.zip")) != []
    world.ahead += timedelta(hours=2)
    assert world.run(Publisher.refresh) == "timestamp"
    export(world)
    assert list(out.glob("targets/armani/**")) == []


def test_what_is_not_there_is_not_pointed_to(world):
    """A missing or damaged blob stops an export, and the old mirror stays."""
    out, _ = export(world)
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    path = LocalBlobs(world.folder.blobs).path(hashlib.sha256(PACKAGE_2).hexdigest())
    data = path.read_bytes()
    path.write_bytes(b"X" + data[1:])
    with pytest.raises(FormatError, match="does not hash to its name"):
        export(world)
    assert read(world, out, [FIRST]) == (3, [PACKAGE_1])
    path.unlink()
    with pytest.raises(PublishError, match=r"armani-2\.zip is not there"):
        export(world)
    assert read(world, out, [FIRST]) == (3, [PACKAGE_1])
    path.write_bytes(data)
    export(world)
    assert read(world, out, [FIRST, SECOND]) == (4, [PACKAGE_1, PACKAGE_2])


def test_an_audit_that_fails(world):
    """A tree that does not follow from the pinned root is not exported."""
    out, _ = export(world)
    before = (out / "metadata/timestamp.json").read_bytes()
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.folder.trusted_root.write_bytes(world.ceremony.role("armani", 9))
    with pytest.raises(TrustError, match="the audit of the staged tree failed"):
        export(world)
    assert (out / "metadata/timestamp.json").read_bytes() == before


class KilledError(Exception):
    """Simulates the end of the process."""


def test_what_is_audited(world, monkeypatch):
    """First each role; then new ones, also after a run that was killed."""
    asked = []

    def record(*arguments):
        asked.append(set(arguments[-1].paths))
        audit_staged(*arguments)

    def die(step):
        if step == 1:
            raise KilledError

    monkeypatch.setattr("server.publisher.mirror.audit_staged", record)
    out, _ = export(world)
    assert asked.pop() == {FIRST, CHANNEL.pointer_path}
    export(world)
    assert asked == []
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    with pytest.raises(KilledError):
        export(world, after_step=die)
    assert asked == []
    export(world)
    assert asked.pop() == {FIRST}
    (out / "metadata/3.armani.json").write_bytes(b"{}")
    export(world)
    assert asked.pop() == {FIRST}
    (out / "metadata/timestamp.json").write_bytes(b"{}")
    export(world)
    assert asked.pop() == {FIRST, CHANNEL.pointer_path}
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    export(world)
    assert asked.pop() == {CHANNEL.pointer_path}


def test_progress(world):
    """It grows with each file, up to the final swap; the audit is named."""
    told = []
    export(world, progress=lambda *each: told.append(each))
    *writing, (last, done, total) = told
    assert last == "Auditing"
    assert {what for what, _, _ in writing} == {"Writing"}
    assert [data for _, data, _ in writing] == sorted(data for _, data, _ in writing)
    everything = sum(map(len, files(export(world)[0]).values()))
    assert len(PACKAGE_1) < writing[-1][1] == done < total == everything


def test_damage_is_mended(world):
    """A changed, shortened or removed file of the mirror is written again."""
    out, _ = export(world)
    whole = files(out)
    (out / "metadata/1.root.json").write_bytes(b"{}")
    (out / "metadata/2.armani.json.gz").unlink()
    (package,) = out.glob("targets/armani/id/stable/*.zip")
    package.write_bytes(PACKAGE_1[:9])
    (out / "targets" / "stray").write_bytes(b"x")
    _, done = export(world)
    assert (done.written, done.removed) == (3, 1)
    assert files(out) == whole


def test_a_malformed_record(world):
    """What a mirror holds is not guessed."""
    out, _ = export(world)
    (out / ".mirror.json").write_bytes(b"{}\n")
    with pytest.raises(FormatError, match=r"mirror\.json"):
        export(world)


def test_two_exports_to_one_folder(world):
    """The second one is asked to wait for the first."""
    out, _ = export(world)
    with (out / ".mirror.lock").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another export"):
            export(world)
