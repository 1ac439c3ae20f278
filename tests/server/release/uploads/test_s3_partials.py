"""Uploads with pieces in S3: any machine can continue them, and no acknowledged byte is lost."""

import asyncio
import fcntl
import hashlib

import pytest

from server.release.errors import NotFoundError, QuotaError
from server.release.uploads.limits import UploadBusyError, UploadChecksumError
from server.release.uploads.s3_partials import S3Partials
from server.storage.errors import StorageError
from tests.fault_proxy import Fault, run_fault_proxy
from tests.server.release.auth.issue import principal
from tests.server.release.uploads.harness import (
    DATA,
    PIECE,
    SETTINGS,
    checksum,
    open_harness,
    sending,
)
from tests.watched_objects import EndedError, WatchedObjects, stopping_objects

pytestmark = pytest.mark.needs("seaweed")


@pytest.fixture
async def node(tmp_path, migrated, objects):
    """Yield one of several machines; `beside` returns others."""
    async with open_harness(tmp_path / "a", migrated, objects) as opened:
        yield opened


def end_process(step):
    """Simulate the end of the process after a step."""
    raise EndedError(step)


def sizes(node):
    """Return the length of each piece by its name."""
    return {each.name.split("/")[2]: each.size for each in node.objects.list("uploads")}


@pytest.mark.parametrize("size", [1, 700, 1001, 2500])
async def test_another_machine_for_each_part(node, tmp_path, size):
    """Three machines receive parts in turn, and the last part makes the blob."""
    data = DATA[:40] if size == 1 else DATA
    nodes = [node, node.beside(tmp_path / "b"), node.beside(tmp_path / "c")]
    upload_id = await node.create(data=data)
    for number, start in enumerate(range(0, len(data), size)):
        sender, asked = nodes[number % 3], nodes[(number + 1) % 3]
        end = min(start + size, len(data))
        assert await sender.append(upload_id, start, data[start:end]) == end
        assert await asked.offset(upload_id) == end
    assert node.blob(hashlib.sha256(data).hexdigest()) == data
    assert node.files() == []
    assert await node.audit_log() == ["upload.create", "upload.finish"]


async def test_pieces_are_full(node):
    """All pieces except the last are full, whatever the sizes of the parts."""
    upload_id = await node.create()
    await node.append(upload_id, 0, DATA[:10])
    assert sizes(node) == {f"{0:016d}": 10}
    await node.append(upload_id, 10, DATA[10:2500])
    assert sizes(node) == {f"{0:016d}": PIECE, f"{PIECE:016d}": PIECE, f"{2 * PIECE:016d}": 500}


async def test_empty_upload(node):
    """An empty upload is complete immediately and has no piece."""
    empty = hashlib.sha256(b"").hexdigest()
    assert (await node.uploads.create(principal(), 0, empty)).offset == 0
    assert (node.blob(empty), node.files()) == (b"", [])


async def test_two_machines_at_one_offset(node, tmp_path):
    """If two machines append at one offset, one is refused and its bytes are dropped."""
    other = node.beside(tmp_path / "b")
    upload_id = await node.create()
    await node.append(upload_id, 0, DATA[:10])
    async with sending(node.uploads, upload_id, 10, DATA[10:500], DATA[500:]) as (first, end):
        assert await other.append(upload_id, 10, DATA[10:3000]) == 3000
        end()
        with pytest.raises(UploadBusyError):
            await first
    assert await node.offset(upload_id) == 3000
    assert await node.append(upload_id, 3000, DATA[3000:]) == len(DATA)
    assert node.blob() == DATA


async def test_checksum_is_verified_before_pieces_are_stored(node, tmp_path):
    """No piece of a part is stored before the part's checksum is verified."""
    other = node.beside(tmp_path / "b")
    upload_id = await node.create()
    await node.append(upload_id, 0, DATA[:10])
    first, rest = DATA[10:8000], DATA[8000:]
    part = sending(node.uploads, upload_id, 10, first, rest, checksum(first + rest))
    async with part as (task, end):
        assert await other.offset(upload_id) == 10
        end()
        assert (await task).offset == len(DATA)
    again = await node.create(data=DATA[1:])
    with pytest.raises(UploadChecksumError):
        await node.append(again, 0, DATA[:9000], checksum=checksum(DATA))
    assert await other.offset(again) == 0


@pytest.mark.needs("postgresql")
async def test_end_by_several_machines_is_recorded_once(tmp_path, objects, postgres):
    """If several machines finish an upload, the audit log records its end once."""
    address = await asyncio.to_thread(postgres.make_database)
    async with open_harness(tmp_path / "a", objects=objects, address=address) as node:
        upload_id = await node.create()
        stopped = node.beside(tmp_path / "stopped")
        stopped.restart(after_step=end_process)
        with pytest.raises(EndedError):
            await stopped.append(upload_id, 0, DATA)
        nodes = [node, *(node.beside(tmp_path / name) for name in "bcd")]
        found = await asyncio.gather(
            *(each.offset(upload_id) for each in nodes), return_exceptions=True
        )
        assert len(DATA) in found
        assert all(each == len(DATA) or isinstance(each, UploadBusyError) for each in found)
        for each in nodes:
            assert await each.offset(upload_id) == len(DATA)
        assert node.blob() == DATA
        ends = await asyncio.gather(
            *(each.uploads.remove(principal(), upload_id) for each in nodes), return_exceptions=True
        )
        assert None in ends
        assert all(end is None or isinstance(end, NotFoundError) for end in ends)
        await check_end(node, 1, "upload.remove")


async def test_another_machine_finishes_an_upload(node, tmp_path):
    """Another machine finishes a dead one's complete upload and removes its pieces."""
    stopped = node.beside(tmp_path / "b")
    stopped.restart(after_step=lambda step: end_process(step) if step == 3 else None)
    upload_id = await node.create()
    with pytest.raises(EndedError):
        await stopped.append(upload_id, 0, DATA)
    assert len(sizes(node)) == 11
    assert await node.offset(upload_id) == len(DATA)
    await node.uploads.sweep()
    assert node.files() == []


async def test_disk_needs_room_for_one_upload(node):
    """Only the upload to be joined needs room on the disk; without it, an upload is refused."""
    node.room = len(DATA) + SETTINGS.keep_free
    await node.create()
    await node.create("budi")
    node.room -= 1
    with pytest.raises(QuotaError, match="no room"):
        await node.create()


def test_temporary_files(tmp_path, objects):
    """Temporary files of a crash are removed at start; those in use by a process stay."""
    (tmp_path / ".tmp-left").write_bytes(b"")
    with (tmp_path / ".tmp-held").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        S3Partials(objects, tmp_path).tidy()
        assert [path.name for path in tmp_path.iterdir()] == [".tmp-held"]


async def send(node, upload_id, data):
    """Send the missing bytes, as a client does after a failure."""
    offset = await node.offset(upload_id)
    if offset < len(data):
        offset = await node.append(upload_id, offset, data[offset:])
    assert offset == len(data)
    assert node.blob(hashlib.sha256(data).hexdigest()) == data


async def check_end(node, uploads, *more):
    """Check that this many uploads ended once and left nothing."""
    assert await node.audit_log() == [*["upload.create", "upload.finish"] * uploads, *more]
    await node.uploads.sweep()
    assert node.files() == []


@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("with_checksum", [False, True], ids=["plain", "checksum"])
async def test_killed_at_each_call(node, tmp_path, seaweed, is_sent, with_checksum):
    """If a machine is killed at any call, another one has each acknowledged byte and finishes."""
    kinds, at, has_ended = set(), 0, True
    while has_ended:
        at, has_ended = at + 1, False
        data = bytes([at]) + DATA[:3999]
        stopping = stopping_objects(seaweed.place(tmp_path.name), at, is_sent=is_sent)
        killed = node.beside(tmp_path / f"b{at}", stopping)
        upload_id = await node.create(data=data)
        acknowledged = 0
        try:
            while acknowledged < len(data):
                part = data[acknowledged : acknowledged + 1500]
                announced = checksum(part) if with_checksum else None
                acknowledged = await killed.append(
                    upload_id, acknowledged, part, checksum=announced
                )
        except EndedError:
            has_ended = True
        kinds.add(stopping.calls[min(at, len(stopping.calls)) - 1])
        assert await node.offset(upload_id) >= acknowledged
        await send(node, upload_id, data)
        node.numbers += at
    await check_end(node, at)
    assert kinds == {"list", "create", "get", "replace", "remove_all"}


#: A request is refused, sent in part, or executed without an answer. `tests/server/publisher` and
#: `tests/server/storage` test all faults that the store's client may meet.
FAULTS = [Fault.ERROR, Fault.CUT_REQUEST, Fault.LOSE_ANSWER]


@pytest.fixture
def proxy(seaweed):
    """Yield a proxy in front of the store that causes faults."""
    with run_fault_proxy(seaweed.port) as running:
        running.limit = 300
        yield running


@pytest.fixture
def weak(node, tmp_path, seaweed, proxy):
    """Return another machine, which uses the store through the proxy."""
    objects = WatchedObjects(seaweed.place(tmp_path.name, endpoint=proxy.endpoint))
    return node.beside(tmp_path / "b", objects)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_store_that_fails(node, weak, proxy, fault):
    """If the store fails at any part, the client continues on this or another machine."""

    async def fail(*, is_failing):
        weak.objects.be_hasty(is_failing)
        # In a thread, because it waits for open connections to end.
        await asyncio.to_thread(setattr, proxy, "fault", fault if is_failing else Fault.NONE)
        await asyncio.to_thread(proxy.drop)

    failures = 0
    for begun in range(3):
        data = bytes([begun]) + DATA[:3999]
        upload_id = await weak.create(data=data)
        acknowledged = await weak.append(upload_id, 0, data[:700])

        async def part(data=data, begun=begun):
            for number, start in enumerate(range(700, len(data), 1100)):
                if number == begun:
                    await fail(is_failing=True)
                yield data[start : start + 1100]

        try:
            sent = await weak.uploads.append(principal(), upload_id, 700, part(), None, None)
            acknowledged = sent.offset
        except StorageError:
            failures += 1
        assert await node.offset(upload_id) >= acknowledged
        await fail(is_failing=False)
        await send(weak if begun == 1 else node, upload_id, data)
    assert failures == 3
    await check_end(node, 3)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_request_that_fails(node, weak, proxy, fault):
    """If one request fails, it is repeated, or the client queries the offset and continues."""
    upload_id = await weak.create()
    offset, tries = 0, 0
    while offset < len(DATA):
        tries += 1
        proxy.times = 1
        weak.objects.be_hasty(True)
        await asyncio.to_thread(setattr, proxy, "fault", fault)
        try:
            offset = await weak.append(upload_id, offset, DATA[offset : offset + 2500])
        except StorageError:
            proxy.times = 0
            weak.objects.be_hasty(False)
            found = await weak.offset(upload_id)
            assert found >= offset
            # The fault came before a piece was sent; without the fault, the part arrives.
            offset = await weak.append(upload_id, found, DATA[found : found + 2500])
    assert tries <= 5
    assert node.blob() == DATA
    await check_end(node, 1)
