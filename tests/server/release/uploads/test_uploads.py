"""Uploads: parts in order, interruptions, limits, and the finished blob."""

import asyncio
import errno
import hashlib
import os
from concurrent.futures import wait
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from server.core.errors import FormatError
from server.release.auth.principal import Role
from server.release.errors import (
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    RateError,
    TooLargeError,
)
from server.release.uploads import uploads
from server.release.uploads.limits import (
    OffsetError,
    UploadBusyError,
    UploadChecksumError,
    UploadStalledError,
)
from server.storage.models import Upload
from tests.server.release.auth.issue import principal
from tests.server.release.uploads.harness import (
    DATA,
    PIECE,
    SETTINGS,
    SHA256,
    checksum,
    pieces,
    sending,
)


async def test_an_upload_in_one_part(harness):
    """The last byte makes a blob with its record and removes the upload's file."""
    upload_id = await harness.create()
    assert (await harness.offset(upload_id), harness.blob()) == (0, None)
    assert await harness.append(upload_id, 0, DATA[:5], DATA[5:]) == len(DATA)
    assert (harness.blob(), await harness.record_of()) == (DATA, len(DATA))
    assert await harness.uploads.blob_length(SHA256) == len(DATA)
    assert harness.files() == []
    assert await harness.offset(upload_id) == len(DATA)
    assert await harness.audit_log() == ["upload.create", "upload.finish"]


async def test_an_upload_in_parts(harness):
    """Parts of any size are joined, even across restarts."""
    for size in (7, 4000):
        whole = bytes([size % 256]) + DATA
        upload_id = await harness.create(data=whole)
        for start in range(0, len(whole), 4000):
            part = whole[start : start + 4000]
            data = [part[i : i + size] for i in range(0, len(part), size)]
            assert await harness.append(upload_id, start, *data) == start + len(part)
            harness.restart()
        assert harness.blob(hashlib.sha256(whole).hexdigest()) == whole


async def test_a_part_that_is_cut_off(harness):
    """Bytes that arrived before a lost connection are kept, and the client sends the rest."""
    upload_id = await harness.create()
    with pytest.raises(ConnectionResetError):
        await harness.append(upload_id, 0, DATA[:100], DATA[100:150], error=ConnectionResetError())
    assert await harness.offset(upload_id) == 150
    assert await harness.append(upload_id, 150, DATA[150:]) == len(DATA)
    assert harness.blob() == DATA


async def test_a_part_whose_task_is_cancelled(harness):
    """A server that stops keeps received bytes and releases the upload."""
    upload_id = await harness.create()
    async with sending(harness.uploads, upload_id, 0, DATA[:300], b"") as (task, _):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await harness.append(upload_id, 300, DATA[300:]) == len(DATA)


async def test_silent_client_is_disconnected(harness, monkeypatch):
    """A client that is silent for too long is disconnected; received bytes are kept."""
    monkeypatch.setattr(uploads, "SILENCE_SECONDS", 0.001)
    upload_id = await harness.create()

    async def stalling():
        yield DATA[:10]
        await asyncio.Event().wait()

    with pytest.raises(UploadStalledError):
        await harness.uploads.append(principal(), upload_id, 0, stalling(), None, None)
    assert await harness.offset(upload_id) == 10


async def test_parts_with_checksums(harness):
    """A part with a wrong checksum leaves nothing and can be sent again.

    A part with a checksum that is cut off leaves nothing, either.
    """
    upload_id = await harness.create()
    first, rest = DATA[:4000], DATA[4000:]
    assert await harness.append(upload_id, 0, first, checksum=checksum(first, "sha1")) == 4000
    with pytest.raises(UploadChecksumError, match="send it again"):
        await harness.append(upload_id, 4000, rest[:-1] + b"X", checksum=checksum(rest))
    lost = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await harness.append(upload_id, 4000, rest[:99], checksum=checksum(rest), error=lost)
    assert await harness.offset(upload_id) == 4000
    assert harness.files() == [upload_id]
    await harness.append(upload_id, 4000, rest, checksum=checksum(rest))
    assert harness.blob() == DATA


async def test_a_wrong_offset(harness):
    """A part at a wrong offset is refused, and the error has the right offset."""
    upload_id = await harness.create()
    await harness.append(upload_id, 0, DATA[:10])
    for offset in (0, 9, 11, len(DATA), 1 << 60):
        with pytest.raises(OffsetError) as caught:
            await harness.append(upload_id, offset, DATA[10:])
        assert caught.value.offset == 10
        assert await harness.offset(upload_id) == 10


async def test_simultaneous_parts(harness):
    """A second part, or a removal, is refused while the first part is being sent."""
    upload_id = await harness.create()
    async with sending(harness.uploads, upload_id, 0, DATA[:10], DATA[10:]) as (first, end):
        with pytest.raises(UploadBusyError):
            await harness.append(upload_id, 0, b"X" * len(DATA))
        with pytest.raises(UploadBusyError):
            await harness.uploads.remove(principal(), upload_id)
        end()
        assert (await first).offset == len(DATA)
    assert harness.blob() == DATA


@pytest.mark.parametrize("declared", [None, len(DATA) + 1])
async def test_part_beyond_the_announced_length(harness, declared):
    """A part beyond the announced length leaves nothing.

    In S3 its full pieces stay if the part's length was not declared.
    """
    upload_id = await harness.create()
    await harness.append(upload_id, 0, DATA[:10])
    with pytest.raises(TooLargeError):
        await harness.append(upload_id, 10, DATA[10:], b"X", declared=declared)
    left = 10 if harness.objects is None or declared is not None else 10 * PIECE
    assert await harness.offset(upload_id) == left
    await harness.append(upload_id, left, DATA[left:])
    with pytest.raises(TooLargeError, match="complete already"):
        await harness.append(upload_id, len(DATA), b"X")
    assert await harness.append(upload_id, len(DATA)) == len(DATA)
    with pytest.raises(OffsetError):
        await harness.append(upload_id, 0, DATA)


async def test_wrong_hash(harness):
    """If the bytes have another hash than announced, the upload is removed."""
    upload_id = await harness.create()
    with pytest.raises(UploadChecksumError, match="start it again"):
        await harness.append(upload_id, 0, DATA[::-1])
    with pytest.raises(NotFoundError):
        await harness.offset(upload_id)
    assert (harness.blob(), await harness.record_of(), harness.files()) == (None, None, [])
    assert await harness.audit_log() == ["upload.create", "upload.refuse"]


async def test_part_while_a_refused_upload_is_removed(harness, monkeypatch):
    """A part sent while a refused upload is removed gets an error and leaves no file."""
    upload_id = await harness.create()
    kind = type(harness.partials.partial(upload_id))
    loop, remove, again = asyncio.get_running_loop(), kind.remove, []

    def remove_and_let_another_send(file):
        remove(file)
        if not again:
            again.append(asyncio.run_coroutine_threadsafe(harness.append(upload_id, 0, DATA), loop))
            wait(again)

    monkeypatch.setattr(kind, "remove", remove_and_let_another_send)
    with pytest.raises(UploadChecksumError):
        await harness.append(upload_id, 0, bytes(len(DATA)))
    assert isinstance(again[0].exception(), (UploadBusyError, NotFoundError))
    assert harness.files() == []
    assert harness.blob() is None


async def test_upload_of_an_existing_blob(local):
    """An upload of an existing blob, or of no bytes, is complete immediately.

    The expected hash of no bytes is the output of `printf '' | sha256sum`.
    """
    await local.append(await local.create(), 0, DATA)
    state = await local.uploads.create(principal("budi"), len(DATA), SHA256)
    assert state.offset == len(DATA)
    assert local.files() == []
    other = await local.uploads.create(principal("budi"), len(DATA) + 1, SHA256)
    assert other.offset == 0
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (await local.uploads.create(principal(), 0, empty)).offset == 0
    assert (local.blob(empty), await local.record_of(empty)) == (b"", 0)
    with pytest.raises(UploadChecksumError):
        await local.uploads.create(principal(), 0, SHA256[::-1])


async def test_limit_of_finished_uploads(local, monkeypatch):
    """Of an account's finished uploads only the newest are kept."""
    monkeypatch.setattr(uploads, "KEPT_FINISHED", 2)
    await local.append(await local.create(), 0, DATA)
    other = await local.create("budi")
    created = [await local.create() for _ in range(5)]
    async with local.sessions() as session:
        left = set(await session.scalars(select(Upload.id)))
    assert left > {other, created[-1]}
    assert len(left) == 1 + 2 + 1


async def test_upload_of_another_account(local):
    """Another account's upload looks like an unknown one; without the right, all is refused."""
    upload_id = await local.create("budi")
    for asked in (upload_id, "0" * 32):
        with pytest.raises(NotFoundError) as caught:
            await local.offset(asked)
        assert str(caught.value) == "you have no such upload: it may have expired."
        with pytest.raises(NotFoundError):
            await local.append(asked, 0, DATA)
        with pytest.raises(NotFoundError):
            await local.uploads.remove(principal(), asked)
    who = principal("budi", Role.APPROVER)
    for refused in (
        local.uploads.create(who, len(DATA), SHA256),
        local.uploads.get(who, upload_id),
        local.uploads.append(who, upload_id, 0, pieces(DATA), None, None),
        local.uploads.remove(who, upload_id),
    ):
        with pytest.raises(PermissionDeniedError):
            await refused
    assert local.files() == []


async def test_limit_of_open_uploads(local):
    """An account may have three open uploads, all accounts together four."""
    results = await asyncio.gather(*(local.create() for _ in range(8)), return_exceptions=True)
    mine = [result for result in results if isinstance(result, str)]
    assert sum(isinstance(result, RateError) for result in results) == 8 - len(mine) == 5
    with pytest.raises(RateError):
        await local.create()
    await local.create("budi")
    with pytest.raises(RateError):
        await local.create("budi")
    await local.uploads.remove(principal(), mine[0])
    assert await local.audit_log() == ["upload.create"] * 4 + ["upload.remove"]
    await local.create("budi")


async def test_quotas(local):
    """The announced lengths of an account's uploads stay within its quota, to the byte.

    Stored blobs and open uploads stay within the total quota.
    """
    with pytest.raises(TooLargeError):
        await local.uploads.create(principal(), SETTINGS.upload_limit + 1, SHA256)
    assert await local.audit_log() == []
    longest = await local.uploads.create(principal(), SETTINGS.upload_limit, SHA256)
    await local.uploads.remove(principal(), longest.id)
    begun = [await local.uploads.create(principal(), SETTINGS.upload_account_octets - 5, SHA256)]
    with pytest.raises(QuotaError, match="finish or delete one of them"):
        await local.uploads.create(principal(), 6, SHA256)
    begun += [await local.uploads.create(principal(), 5, SHA256)]
    await local.uploads.create(principal("budi"), 6, "2" * 64)
    for each in begun:
        await local.uploads.remove(principal(), each.id)
    local.restart(replace(SETTINGS, blob_quota=2 * len(DATA) + 16))
    await local.append(await local.create(), 0, DATA)
    assert await local.record_of() == len(DATA)
    await local.uploads.create(principal("budi"), len(DATA), "0" * 64)
    with pytest.raises(QuotaError, match="11 bytes, 1 are missing"):
        await local.uploads.create(principal(), 11, "1" * 64)
    await local.uploads.create(principal(), 10, "1" * 64)
    assert (await local.uploads.create(principal(), len(DATA), SHA256)).offset == len(DATA)


async def test_room_on_the_disk(local):
    """An upload is refused if the disk lacks room beside other uploads and the reserve."""
    local.room = 2 * len(DATA) + SETTINGS.keep_free
    first = await local.create()
    await local.create("budi")
    with pytest.raises(QuotaError, match="no room"):
        await local.uploads.create(principal(), 1, SHA256)
    await local.append(first, 0, DATA[:100])
    local.room -= 100
    with pytest.raises(QuotaError, match="no room"):
        await local.uploads.create(principal(), 1, SHA256)


async def test_a_full_disk(local, monkeypatch):
    """On a full disk, bytes already written are kept; the rest can follow later."""
    upload_id = await local.create()
    write = os.write

    def full(descriptor, data):
        if os.fstat(descriptor).st_size >= 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data[:100]))

    monkeypatch.setattr("server.release.uploads.partials.os.write", full)
    with pytest.raises(QuotaError, match="disk is full"):
        await local.append(upload_id, 0, DATA)
    monkeypatch.setattr("server.release.uploads.partials.os.write", write)
    assert await local.offset(upload_id) == 100
    assert await local.append(upload_id, 100, DATA[100:]) == len(DATA)


async def test_expiry(harness):
    """An upload expires a day after its last part, and is removed with its data."""
    upload_id = await harness.create()
    harness.ahead = timedelta(hours=23)
    await harness.append(upload_id, 0, DATA[:10])
    harness.ahead = timedelta(hours=46)
    assert await harness.uploads.sweep() == 0
    assert await harness.offset(upload_id) == 10
    harness.ahead = timedelta(hours=47)
    with pytest.raises(NotFoundError):
        await harness.offset(upload_id)
    with pytest.raises(NotFoundError):
        await harness.append(upload_id, 10, DATA[10:])
    assert await harness.uploads.sweep() == 1
    assert harness.files() == []
    assert await harness.audit_log() == ["upload.create", "upload.expire"]


async def test_blob_stays_after_its_upload(local):
    """A blob stays when its upload is removed or expires."""
    upload_id = await local.create()
    await local.append(upload_id, 0, DATA)
    await local.uploads.remove(principal(), upload_id)
    await local.uploads.create(principal(), len(DATA), SHA256)
    local.ahead = timedelta(days=2)
    await local.uploads.sweep()
    assert await local.uploads.blob_length(SHA256) == len(DATA)
    words = ("create", "finish", "remove", "create", "expire")
    assert await local.audit_log() == [f"upload.{word}" for word in words]


async def test_upload_does_not_expire_during_a_part(harness):
    """An upload does not expire while a part is being sent."""
    upload_id = await harness.create()

    async def long():
        yield DATA[:10]
        harness.ahead = timedelta(days=3)
        assert await harness.uploads.sweep() == 0
        yield DATA[10:]

    state = await harness.uploads.append(principal(), upload_id, 0, long(), None, None)
    assert state.offset == len(DATA)


async def test_unneeded_files(harness):
    """Files of uploads without a row are removed; other files stay."""
    upload_id = await harness.create()
    await harness.append(upload_id, 0, DATA[:10])
    harness.plant("f" * 32)
    harness.plant("README")
    await harness.uploads.sweep()
    assert harness.files() == [upload_id, "README"]


async def test_truncated_blob_counts_as_missing(local):
    """A truncated blob counts as missing, and a new upload repairs it."""
    await local.append(await local.create(), 0, DATA)
    path = local.folder.blobs / SHA256[:2] / SHA256
    path.write_bytes(DATA[:-1])
    assert await local.uploads.blob_length(SHA256) is None
    await local.append(await local.create(), 0, DATA)
    assert await local.uploads.blob_length(SHA256) == len(DATA)
    with pytest.raises(FormatError):
        await local.uploads.blob_length("../../keys/latest.pem")
