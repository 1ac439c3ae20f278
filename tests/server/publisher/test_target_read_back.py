"""Read-back of downloads: range, length, digest and bytes, for new targets."""

import asyncio
import base64
import hashlib
import shutil

import aiohttp
import pytest

from server.http.requests import GateMode
from server.publisher.errors import PublishError
from server.publisher.read_back import check_targets
from server.publisher.verify import RoleVersion
from server.storage.local_blobs import LocalBlobs
from tests.server.core.content.samples import entries_of
from tests.server.device.served import serve
from tests.server.world import PACKAGE_1, PACKAGE_2

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
    async with aiohttp.ClientSession(skip_auto_headers=own) as session:  # as HttpReadBack's
        await check_targets(session, url, file, world.folder.public, blobs)


def check(world, file, blobs=None, mode=GateMode.DIRECT):
    """Do the same over a private server."""
    with serve(world.folder, mode) as served:
        asyncio.run(ask(f"http://127.0.0.1:{served.port}", world, file, blobs))


def alter(world, data, at):
    """Change one byte of a stored blob."""
    sha256 = hashlib.sha256(data).hexdigest()
    changed = bytearray(data)
    changed[at] ^= 1
    LocalBlobs(world.folder.blobs).path(sha256).write_bytes(changed)


@pytest.mark.parametrize("at", [4, 5000, -1])
def test_every_byte_of_what_fits_into_a_block(world, at):
    """It is hashed: a change of any byte is reported."""
    check(world, role(world, "armani", 2))
    alter(world, PACKAGE_1, at)
    with pytest.raises(PublishError, match=OTHER):
        check(world, role(world, "armani", 2))


def test_the_first_block_of_a_longer_one(world, tmp_path, monkeypatch):
    """It is compared with the store; the rest is not read, however long it is."""
    monkeypatch.setattr("server.publisher.read_back.BLOCK", 1000)
    store = LocalBlobs(tmp_path / "blobs")
    shutil.copytree(world.folder.blobs, tmp_path / "blobs")
    alter(world, PACKAGE_1, 1000)
    check(world, role(world, "armani", 2), store)
    alter(world, PACKAGE_1, 999)
    with pytest.raises(PublishError, match=OTHER):
        check(world, role(world, "armani", 2), store)
    check(world, role(world, "armani", 2))  # without a store only range and length are compared
    alter(world, PACKAGE_1, 3)
    with pytest.raises(PublishError, match="is not a zip file"):
        check(world, role(world, "armani", 2))


@pytest.mark.parametrize("name", ["content", "tables"])
def test_content_and_tables(world, name):
    """Parts and pictures are requested whole, and hashed."""
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


def test_what_was_read_back_before(world):
    """For a role's next version only its new packages are requested."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    alter(world, PACKAGE_1, 7)
    check(world, role(world, "armani", 3))
    alter(world, PACKAGE_2, 7)
    with pytest.raises(PublishError, match=r"armani-2\.zip answers with other bytes"):
        check(world, role(world, "armani", 3))


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        ("206 Partial Content", {"Content-Range": RANGE}, ""),
        ("206 Partial Content", {"Content-Range": RANGE, "Repr-Digest": f"sha-256=:{DIGEST}:"}, ""),
        (
            "206 Partial Content",
            {"Content-Range": RANGE, "Repr-Digest": "sha-256=:AAAA:"},
            "with the digest of something else",
        ),
        ("200 OK", {"Content-Range": RANGE}, "range request"),
        ("206 Partial Content", {}, "range request"),
        ("206 Partial Content", {"Content-Range": RANGE + "0"}, "range request"),
    ],
)
async def test_an_edge_that_answers_otherwise(world, status, headers, said):
    """Range, length and digest are compared; an edge need not send a digest."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        fields = {**headers, "Content-Length": len(PACKAGE_1), "Connection": "close"}
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + PACKAGE_1)
        await writer.drain()
        writer.close()

    file = await asyncio.to_thread(role, world, "armani", 2)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if said:
            with pytest.raises(PublishError, match=said):
                await ask(url, world, file, None)
        else:
            await ask(url, world, file, None)
