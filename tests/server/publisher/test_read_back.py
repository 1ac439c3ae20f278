"""Step 7: public files are compared with the signed ones, without delaying a halt."""

import asyncio
import base64
import contextlib
import hashlib
import shutil
from pathlib import Path

import aiohttp
import pytest

from server.http.requests import GateMode
from server.publisher.errors import PublishError
from server.publisher.plan import Publication
from server.publisher.read_back import DiskReadBack
from server.publisher.read_back_http import HttpReadBack, check_targets
from server.publisher.rollout import plan_pause
from server.publisher.verify import RoleVersion
from server.storage.local_blobs import LocalBlobs
from server.storage.tree import LocalTree, write_roots
from tests.cases import case
from tests.patience import PATIENCE
from tests.server.core.content.samples import entries_of
from tests.server.device.served import serve
from tests.server.world import CHANNEL, PACKAGE_1, PACKAGE_2, halt


def publication(world):
    """Return the public state as the publication that created it."""
    metadata = world.folder.public / "metadata"
    names = [("armani", 2), ("latest", 2), ("snapshot", 3)]
    files = [RoleVersion(r, n, (metadata / f"{n}.{r}.json").read_bytes()) for r, n in names]
    return Publication(tuple(files), (metadata / "timestamp.json").read_bytes(), 3)


def read_back(world, wanted):
    """Read a publication back from a test server."""
    with serve(world.folder) as served:
        asyncio.run(HttpReadBack(f"http://127.0.0.1:{served.port}/", world.folder.public)(wanted))


def test_large_role_is_read_completely(world, monkeypatch):
    """A role of one megabyte is read to its end before it is compared."""
    monkeypatch.setattr("server.publisher.read_back_http.ATTEMPTS", 2)
    noise = "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(16_000)).encode()
    (world.folder.public / "metadata" / "2.root.json").write_bytes(noise)
    write_roots(LocalTree(world.folder.public), before=1, newest=2, timestamp=3, time=0)
    wanted = publication(world)
    big, other = (RoleVersion("root", 2, data) for data in (noise, noise[:-1] + b"x"))
    read_back(world, Publication((*wanted.files, big), wanted.timestamp, 3))
    with pytest.raises(PublishError, match=r"2\.root\.json with other bytes"):
        read_back(world, Publication((*wanted.files, other), wanted.timestamp, 3))


def test_messages_about_differences(world, monkeypatch):
    """Different metadata, an older timestamp and a damaged package have their own messages."""
    monkeypatch.setattr("server.publisher.read_back_http.ATTEMPTS", 2)
    wanted = publication(world)
    other = Publication((RoleVersion("latest", 2, b"{}"),), wanted.timestamp, 3)
    with pytest.raises(PublishError, match=r"2\.latest\.json with other bytes"):
        read_back(world, other)
    with pytest.raises(PublishError, match="older timestamp"):
        read_back(world, Publication((), later(wanted, 5), 3))
    digest = hashlib.sha256(PACKAGE_1).hexdigest()
    (world.folder.blobs / digest[:2] / digest).write_bytes(bytes(len(PACKAGE_1)))
    with pytest.raises(PublishError, match="is not a zip file"):
        read_back(world, wanted)


def later(wanted, version):
    """Return a timestamp of another version. Read-back does not verify its signature."""
    return wanted.timestamp.replace(b'"version":3}', b'"version":%d}' % version)


def test_cached_previous_timestamp(world, monkeypatch):
    """For a minute, a cached previous timestamp is no error if the publication's files are there.

    Temporary files of another publication are ignored.
    """
    monkeypatch.setattr("server.publisher.read_back_http.ATTEMPTS", 2)
    wanted = publication(world)
    timestamp = later(wanted, 4)
    assert timestamp != wanted.timestamp
    for name in ("3.latest", "3.armani"):
        (world.folder.public / "metadata" / f".tmp-{name}.json").write_bytes(b"{}")
    read_back(world, Publication(wanted.files, timestamp, 3))
    missing = RoleVersion("latest", 3, b"{}")
    for written in (wanted.timestamp, timestamp):
        with pytest.raises(PublishError, match=r"does not have /metadata/3\.latest\.json"):
            read_back(world, Publication((missing,), written, 3))
    monkeypatch.setattr("server.publisher.read_back_http.CACHE_SECONDS", 0.0)
    with pytest.raises(PublishError, match="older timestamp"):
        read_back(world, Publication(wanted.files, timestamp, 3))


@contextlib.asynccontextmanager
async def answering(answers):
    """Yield the URL of a server that sends each of the answers once."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        status, headers, data = answers.pop(0)
        fields = {**headers, "Content-Length": len(data), "Connection": "close"}
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_missing_file_is_requested_again(world):
    """A file that is not there yet is requested again."""
    wanted = await asyncio.to_thread(publication, world)
    latest = await asyncio.to_thread(role, world, "latest", 2)
    answers = [("200 OK", {}, wanted.timestamp), ("404 -", {}, b""), ("200 OK", {}, latest.data)]
    async with answering(answers) as url:
        await HttpReadBack(url, world.folder.public)(
            Publication((latest,), wanted.timestamp, wanted.snapshot_version)
        )
    assert answers == []


async def test_answer_timeout(world, monkeypatch):
    """The time limit applies to an answer as a whole, however steadily its bytes arrive."""
    monkeypatch.setattr("server.publisher.read_back_http.PATIENCE", 0.2)

    async def answer(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        is_left.set()

    is_left = asyncio.Event()
    wanted = await asyncio.to_thread(publication, world)
    async with (
        asyncio.timeout(PATIENCE),
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
    ):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(PublishError, match=r"does not answer within 0\.2 seconds"):
            await HttpReadBack(url, world.folder.public)(wanted)
        await is_left.wait()


async def test_read_back_from_disk(world):
    """Without a server, files on disk are compared; a slow server is an error."""
    wanted = await asyncio.to_thread(publication, world)
    disk = DiskReadBack(world.folder.public)
    await disk(wanted)
    path = world.folder.public / "metadata" / "2.latest.json"
    await asyncio.to_thread(path.write_bytes, b"{}")
    with pytest.raises(PublishError, match=r"2\.latest\.json on disk"):
        await disk(wanted)
    with pytest.raises(PublishError, match="does not answer"):
        await HttpReadBack("http://127.0.0.1:9", world.folder.public)(wanted)


def test_read_back_after_later_publications(world):
    """A publication is still correct after later ones, as long as its files are there.

    Errors in its files are reported.
    """
    wanted = publication(world)
    disk = DiskReadBack(world.folder.public)

    async def halt_often(publisher):
        for number in range(11):  # more versions of latest than are served
            await publisher.change_pointers(halt(str(number)))
            if number in {0, 10}:
                await asyncio.to_thread(read_back, world, wanted)
                await disk(wanted)

    world.run(halt_often)
    assert world.published().roles["latest"].version == 13
    assert world.run(lambda publisher: publisher.drain()) == 0  # all are kept for auditors
    other = Publication((RoleVersion("armani", 2, b"{}"),), wanted.timestamp, 3)
    with pytest.raises(PublishError, match=r"2\.armani\.json with other bytes"):
        read_back(world, other)
    with pytest.raises(PublishError, match=r"2\.armani\.json on disk"):
        asyncio.run(disk(other))


SHA256 = hashlib.sha256(PACKAGE_1).hexdigest()
DIGEST = base64.b64encode(bytes.fromhex(SHA256)).decode()
RANGE = f"bytes 0-{len(PACKAGE_1) - 1}/{len(PACKAGE_1)}"
OTHER = "with other bytes than were published"


def role(world, name, version):
    """Return a public role."""
    path = world.folder.public / "metadata" / f"{version}.{name}.json"
    return RoleVersion(name, version, path.read_bytes())


async def ask(url, world, file, blobs):
    """Read back the targets of a role."""
    own = ("User-Agent", "Accept", "Accept-Encoding")
    async with aiohttp.ClientSession(skip_auto_headers=own) as session:  # as HttpReadBack does
        await check_targets(session, url, file, world.folder.public, blobs)


def check(world, file, blobs=None, mode=GateMode.DIRECT):
    """Read back the targets of a role from a test server."""
    with serve(world.folder, mode) as served:
        asyncio.run(ask(f"http://127.0.0.1:{served.port}", world, file, blobs))


def alter(world, data, at):
    """Change one byte of a stored blob."""
    sha256 = hashlib.sha256(data).hexdigest()
    changed = bytearray(data)
    changed[at] ^= 1
    LocalBlobs(world.folder.blobs).path(sha256).write_bytes(changed)


def test_small_package_is_hashed(world):
    """A package that fits into a block is hashed, so a change of any byte is found."""
    check(world, role(world, "armani", 2))
    for at in (4, 5000, -1):
        alter(world, PACKAGE_1, at)
        with pytest.raises(PublishError, match=OTHER):
            check(world, role(world, "armani", 2))


def test_only_the_first_block_of_a_large_package_is_read(world, tmp_path, monkeypatch):
    """Of a longer package, only the first block is read and compared with the store."""
    monkeypatch.setattr("server.publisher.read_back_http.BLOCK", 1000)
    store = LocalBlobs(tmp_path / "blobs")
    shutil.copytree(world.folder.blobs, tmp_path / "blobs")
    alter(world, PACKAGE_1, 1000)
    check(world, role(world, "armani", 2), store)
    alter(world, PACKAGE_1, 999)
    with pytest.raises(PublishError, match=OTHER):
        check(world, role(world, "armani", 2), store)
    check(world, role(world, "armani", 2))  # without a store, only range and length are compared
    alter(world, PACKAGE_1, 3)
    with pytest.raises(PublishError, match="is not a zip file"):
        check(world, role(world, "armani", 2))


@pytest.mark.parametrize("name", ["content", "tables"])
def test_parts_and_pictures_are_hashed(world, name):
    """Parts and pictures are requested as a whole, and hashed."""
    kinds = {"content": ["wallpapers"], "tables": ["emergency"]}[name]
    data, blobs = world.ceremony.packs(name, 2, {kind: entries_of(kind) for kind in kinds})
    assert world.publish({(name, 2): data}, blobs).reason == ""
    for mode in GateMode:
        check(world, role(world, name, 2), mode=mode)
    alter(world, blobs[-1], 3)
    with pytest.raises(PublishError, match=OTHER):
        check(world, role(world, name, 2))
    path = LocalBlobs(world.folder.blobs).path(hashlib.sha256(blobs[-1]).hexdigest())
    path.write_bytes(blobs[-1] + b" ")
    with pytest.raises(PublishError, match="does not answer with what was published"):
        check(world, role(world, name, 2))


def test_only_new_packages_are_read_back(world):
    """For the next version of a role, only new packages are requested."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    alter(world, PACKAGE_1, 7)
    check(world, role(world, "armani", 3))
    alter(world, PACKAGE_2, 7)
    with pytest.raises(PublishError, match=r"armani-2\.zip answers with other bytes"):
        check(world, role(world, "armani", 3))


async def test_headers_of_an_answer(world):
    """Status, range, length and digest of an answer are compared; the digest may be missing."""
    part, whole = "206 Partial Content", {"Content-Range": RANGE}
    good, bad = f"sha-256=:{DIGEST}:", "sha-256=:AAAA:"
    file, answers = await asyncio.to_thread(role, world, "armani", 2), []
    async with answering(answers) as url:
        for status, headers, message in (
            (part, whole, ""),
            (part, whole | {"Repr-Digest": good}, ""),
            (part, whole | {"Repr-Digest": bad}, "with the digest of something else"),
            ("200 OK", whole, "range request"),
            (part, {}, "range request"),
            (part, {"Content-Range": RANGE + "0"}, "range request"),
        ):
            answers.append((status, headers, PACKAGE_1))
            refused = (
                pytest.raises(PublishError, match=message) if message else contextlib.nullcontext()
            )
            with case(status, headers), refused:
                await ask(url, world, file, None)


PATH = CHANNEL.pointer_path


def pause(world):
    """Return an edit that pauses the channel."""
    return lambda published: {
        PATH: plan_pause(CHANNEL, published.pointers()[PATH], {}, world.epoch())
    }


def is_halted(world):
    """Return whether the public pointer is halted."""
    return world.published().pointers()[PATH].halted


class SlowReadBack:
    """A read-back that records its begin and end, and waits for the test in between."""

    def __init__(self):
        self.begun, self.ended, self.go = [], [], asyncio.Event()

    async def __call__(self, publication):
        """Record a publication, and wait."""
        self.begun.append(publication.snapshot_version)
        await self.go.wait()
        self.ended.append(publication.snapshot_version)
        if publication.snapshot_version == 4:
            raise PublishError("4 is not there.")


async def test_halt_during_a_read_back(world):
    """A halt does not wait for the read-back of the previous publication.

    Each read-back's error is reported before the publisher's block ends.
    """
    slow = SlowReadBack()
    async with asyncio.timeout(PATIENCE), world.publisher(read_back=slow) as publisher:
        assert await publisher.change_pointers(pause(world)) == 4
        assert await publisher.change_pointers(halt()) == 5
        assert await asyncio.to_thread(is_halted, world)
        assert (slow.ended, world.alarms) == ([], [])
        slow.go.set()
    assert slow.begun == slow.ended == [4, 5]
    assert world.alarms == ["4 is not there."]


async def test_unexpected_error_in_a_read_back(world):
    """An unexpected error in a read-back raises an alarm."""

    async def fail(_publication):
        await asyncio.to_thread(Path("/dev/null/none").read_bytes)

    async with world.publisher(read_back=fail) as publisher:
        await publisher.change_pointers(pause(world))
    (alarm,) = world.alarms
    assert alarm.startswith(
        "snapshot 4 is public and could not be read back: NotADirectoryError(20,"
    )


async def test_failed_block_does_not_wait_for_read_backs(world):
    """A publisher's block that fails does not wait for its read-backs."""
    slow = SlowReadBack()

    async def act():
        async with world.publisher(read_back=slow) as publisher:
            await publisher.change_pointers(pause(world))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await act()
    assert (slow.ended, world.alarms) == ([], [])
