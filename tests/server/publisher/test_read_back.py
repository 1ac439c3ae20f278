"""Step 7: the public files are compared with what was signed, on disk and over HTTP."""

import asyncio
import hashlib

import pytest

from server.publisher.errors import PublishError
from server.publisher.plan import Publication
from server.publisher.read_back import DiskReadBack, HttpReadBack
from server.publisher.rollout import plan_halt
from server.publisher.verify import RoleVersion
from server.storage.roots import write_roots
from tests.server.device.served import serve
from tests.server.world import CHANNEL, PACKAGE_1


def publication(world, extra=()):
    """Return the public state as the publication that made it."""
    metadata = world.folder.public / "metadata"
    names = [("armani", 2), ("latest", 2), ("snapshot", 3), *extra]
    files = [RoleVersion(r, n, (metadata / f"{n}.{r}.json").read_bytes()) for r, n in names]
    return Publication(tuple(files), (metadata / "timestamp.json").read_bytes(), 3)


def read_back(world, wanted):
    """Read back over a private server."""
    with serve(world.folder) as served:
        asyncio.run(HttpReadBack(f"http://127.0.0.1:{served.port}/", world.folder.public)(wanted))


def test_over_http(world):
    """Files served as signed raise nothing."""
    read_back(world, publication(world))


def test_a_role_that_comes_in_pieces(world):
    """A role of a megabyte is read to its end before it is compared."""
    noise = "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(16_000)).encode()
    (world.folder.public / "metadata" / "2.root.json").write_bytes(noise)
    write_roots(world.folder.public, before=1, newest=2, timestamp=3, time=0)
    wanted = publication(world)
    big = RoleVersion("root", 2, noise)
    read_back(world, Publication((*wanted.files, big), wanted.timestamp, 3))


def test_differences(world, monkeypatch):
    """Other metadata, an older timestamp and a package that is no zip have different messages."""
    monkeypatch.setattr("server.publisher.read_back.ATTEMPTS", 2)
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
    """Return a timestamp of another version; its signature is not verified here."""
    return wanted.timestamp.replace(b'"version":3}', b'"version":%d}' % version)


def test_a_timestamp_that_an_edge_may_hold(world, monkeypatch):
    """The previous one is no alarm for a minute, but its publication must be there."""
    monkeypatch.setattr("server.publisher.read_back.ATTEMPTS", 2)
    wanted = publication(world)
    timestamp = later(wanted, 4)
    assert timestamp != wanted.timestamp
    read_back(world, Publication(wanted.files, timestamp, 3))
    missing = RoleVersion("latest", 3, b"{}")
    with pytest.raises(PublishError, match=r"3\.latest\.json with other bytes"):
        read_back(world, Publication((missing,), timestamp, 3))
    monkeypatch.setattr("server.publisher.read_back.CACHE_SECONDS", 0.0)
    with pytest.raises(PublishError, match="older timestamp"):
        read_back(world, Publication(wanted.files, timestamp, 3))


async def test_no_server_answers(world):
    """An address without a listener is an alarm, not a crash."""
    wanted = await asyncio.to_thread(publication, world)
    with pytest.raises(PublishError, match="does not answer"):
        await HttpReadBack("http://127.0.0.1:9", world.folder.public)(wanted)


async def test_on_disk(world):
    """The same from the folder, if no server runs."""
    wanted = await asyncio.to_thread(publication, world)
    disk = DiskReadBack(world.folder.public)
    await disk(wanted)
    path = world.folder.public / "metadata" / "2.latest.json"
    await asyncio.to_thread(path.write_bytes, b"{}")
    with pytest.raises(PublishError, match=r"2\.latest\.json on disk"):
        await disk(wanted)


def halt(text):
    """Return the edit that halts the one channel with a reason."""

    def edit(published):
        path = CHANNEL.pointer_path
        return {path: plan_halt(CHANNEL, published.pointers()[path], {"en": text})}

    return edit


def test_what_came_later(world):
    """A publication is correct while its files are there, although others followed it.

    Errors in it are reported nevertheless.
    """
    wanted = publication(world)
    disk = DiskReadBack(world.folder.public)
    for number in range(11):  # more versions of latest than are served
        world.run(lambda p, text=str(number): p.change_pointers(halt(text)))
        read_back(world, wanted)
        asyncio.run(disk(wanted))
    assert world.published().roles["latest"].version == 13
    assert world.run(lambda publisher: publisher.drain()) == 0  # they are kept for auditors
    other = Publication((RoleVersion("armani", 2, b"{}"),), wanted.timestamp, 3)
    with pytest.raises(PublishError, match=r"2\.armani\.json with other bytes"):
        read_back(world, other)
    with pytest.raises(PublishError, match=r"2\.armani\.json on disk"):
        asyncio.run(disk(other))
