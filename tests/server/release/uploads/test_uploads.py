"""Uploads: parts in order, whole or resumed, and a blob at the end."""

import asyncio
import base64
import dataclasses
import errno
import hashlib
import os
from concurrent.futures import wait
from dataclasses import replace
from datetime import timedelta

import pytest
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
from server.release.uploads.headers import decode_checksum
from server.release.uploads.limits import (
    OffsetError,
    UploadBusyError,
    UploadChecksumError,
    UploadStalledError,
)
from server.storage.control_models import Upload
from tests.server.release.uploads.harness import DATA, LIMITS, PIECE, SHA256, pieces, principal


def checksum(data, algorithm="sha256"):
    """Return the checksum of a part as the header's reader gives it."""
    digest = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
    return decode_checksum(f"{algorithm} {digest}")


async def test_an_upload_in_one_part(harness):
    """The last byte makes a blob with its record, and no other file is left."""
    upload_id = await harness.create()
    assert (await harness.offset(upload_id), harness.blob()) == (0, None)
    assert await harness.append(upload_id, 0, DATA[:5], DATA[5:]) == len(DATA)
    assert (harness.blob(), await harness.record_of()) == (DATA, len(DATA))
    assert await harness.uploads.blob_length(SHA256) == len(DATA)
    assert harness.files() == []
    assert await harness.offset(upload_id) == len(DATA)
    assert await harness.audit_log() == ["upload.create", "upload.finish"]


@pytest.mark.parametrize("size", [7, 4000])
async def test_an_upload_in_parts(harness, size):
    """Parts of any size are joined, also across restarts."""
    upload_id = await harness.create()
    for start in range(0, len(DATA), 4000):
        part = DATA[start : start + 4000]
        data = [part[i : i + size] for i in range(0, len(part), size)]
        assert await harness.append(upload_id, start, *data) == start + len(part)
        harness.restart()
    assert harness.blob() == DATA


async def test_a_part_that_is_cut_off(harness):
    """Bytes that arrived before a connection was lost stay, and the rest follows."""
    upload_id = await harness.create()
    with pytest.raises(ConnectionResetError):
        await harness.append(upload_id, 0, DATA[:100], DATA[100:150], error=ConnectionResetError())
    assert await harness.offset(upload_id) == 150
    assert await harness.append(upload_id, 150, DATA[150:]) == len(DATA)
    assert harness.blob() == DATA


async def test_a_part_whose_task_is_cancelled(harness):
    """A server that stops keeps the bytes that arrived, and releases the upload."""
    upload_id = await harness.create()
    has_begun = asyncio.Event()

    async def endless():
        yield DATA[:300]
        has_begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(
        harness.uploads.append(principal(), upload_id, 0, endless(), None, None)
    )
    await has_begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await harness.append(upload_id, 300, DATA[300:]) == len(DATA)


async def test_a_part_that_pauses(harness):
    """A sender silent for longer than allowed is not waited for; received bytes are kept."""
    harness.restart(replace(LIMITS, silence=timedelta(milliseconds=1)))
    upload_id = await harness.create()

    async def stalling():
        yield DATA[:10]
        await asyncio.Event().wait()

    with pytest.raises(UploadStalledError):
        await harness.uploads.append(principal(), upload_id, 0, stalling(), None, None)
    assert await harness.offset(upload_id) == 10


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_parts_with_checksums(harness, algorithm):
    """A part with its checksum counts; one with another leaves nothing, and is sent again."""
    upload_id = await harness.create()
    first, rest = DATA[:4000], DATA[4000:]
    assert await harness.append(upload_id, 0, first, checksum=checksum(first, algorithm)) == 4000
    damaged = rest[:-1] + b"X"
    with pytest.raises(UploadChecksumError, match="send it again"):
        await harness.append(upload_id, 4000, damaged, checksum=checksum(rest, algorithm))
    assert await harness.offset(upload_id) == 4000
    await harness.append(upload_id, 4000, rest, checksum=checksum(rest, algorithm))
    assert harness.blob() == DATA


async def test_a_part_with_a_checksum_that_is_cut_off(harness):
    """Nothing of such a part stays: its correctness is unknown."""
    upload_id = await harness.create()
    await harness.append(upload_id, 0, DATA[:10])
    with pytest.raises(ConnectionResetError):
        await harness.append(
            upload_id, 10, DATA[10:99], checksum=checksum(DATA), error=ConnectionResetError()
        )
    assert await harness.offset(upload_id) == 10
    assert harness.files() == [upload_id]


@pytest.mark.parametrize("offset", [0, 9, 11, len(DATA), 1 << 60])
async def test_a_wrong_offset(harness, offset):
    """A part at a wrong offset is refused with the right one."""
    upload_id = await harness.create()
    await harness.append(upload_id, 0, DATA[:10])
    with pytest.raises(OffsetError) as caught:
        await harness.append(upload_id, offset, DATA[10:])
    assert caught.value.offset == 10
    assert await harness.offset(upload_id) == 10


async def test_two_parts_at_once(harness):
    """The second is refused while the first is sending, and nothing is mixed."""
    upload_id = await harness.create()
    is_open, may_end = asyncio.Event(), asyncio.Event()

    async def slowly():
        yield DATA[:10]
        is_open.set()
        await may_end.wait()
        yield DATA[10:]

    first = asyncio.create_task(
        harness.uploads.append(principal(), upload_id, 0, slowly(), None, None)
    )
    await is_open.wait()
    with pytest.raises(UploadBusyError):
        await harness.append(upload_id, 0, b"X" * len(DATA))
    with pytest.raises(UploadBusyError):
        await harness.uploads.remove(principal(), upload_id)
    may_end.set()
    assert (await first).is_whole
    assert harness.blob() == DATA


@pytest.mark.parametrize("declared", [None, len(DATA) + 1])
async def test_more_than_announced(harness, declared):
    """A part beyond the announced length leaves nothing; in S3 its full pieces, if undeclared."""
    upload_id = await harness.create()
    await harness.append(upload_id, 0, DATA[:10])
    with pytest.raises(TooLargeError):
        await harness.append(upload_id, 10, DATA[10:], b"X", declared=declared)
    left = 10 if harness.objects is None or declared is not None else 10 * PIECE
    assert await harness.offset(upload_id) == left
    await harness.append(upload_id, left, DATA[left:])
    with pytest.raises(TooLargeError, match="whole already"):
        await harness.append(upload_id, len(DATA), b"X")
    assert await harness.append(upload_id, len(DATA)) == len(DATA)
    with pytest.raises(OffsetError):
        await harness.append(upload_id, 0, DATA)


async def test_other_bytes_than_announced(harness):
    """Bytes with another hash become no blob, and the upload is removed: it cannot succeed."""
    upload_id = await harness.create()
    with pytest.raises(UploadChecksumError, match="begin again"):
        await harness.append(upload_id, 0, DATA[::-1])
    with pytest.raises(NotFoundError):
        await harness.offset(upload_id)
    assert (harness.blob(), await harness.record_of(), harness.files()) == (None, None, [])
    assert await harness.audit_log() == ["upload.create", "upload.refuse"]


async def test_sent_again_while_it_is_refused(harness, monkeypatch):
    """A sender at the moment when a refused upload's file is removed learns that it has ended."""
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


async def test_bytes_that_are_here_already(harness):
    """A second upload of the same bytes is complete immediately; another length is not."""
    await harness.append(await harness.create(), 0, DATA)
    state = await harness.uploads.create(principal("budi"), len(DATA), SHA256)
    assert state.is_whole
    assert harness.files() == []
    other = await harness.uploads.create(principal("budi"), len(DATA) + 1, SHA256)
    assert other.offset == 0


async def test_whole_uploads_are_remembered_within_a_bound(harness):
    """The oldest of an account are forgotten; the newest and those of others are not."""
    harness.restart(replace(LIMITS, finished=2))
    await harness.append(await harness.create(), 0, DATA)
    other = await harness.create("budi")
    created = [await harness.create() for _ in range(5)]
    async with harness.sessions() as session:
        left = set(await session.scalars(select(Upload.id)))
    assert other in left
    assert created[-1] in left
    assert len(left) == 1 + 2 + 1


async def test_no_bytes(harness):
    """The empty byte string is complete immediately. Its hash is `printf '' | sha256sum`."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (await harness.uploads.create(principal(), 0, empty)).is_whole
    assert (harness.blob(empty), await harness.record_of(empty)) == (b"", 0)
    with pytest.raises(UploadChecksumError):
        await harness.uploads.create(principal(), 0, SHA256)


async def test_whose_upload(harness):
    """Another account's upload looks like an unknown one."""
    upload_id = await harness.create("budi")
    for asked in (upload_id, "0" * 32):
        with pytest.raises(NotFoundError) as caught:
            await harness.offset(asked)
        assert str(caught.value) == "there is no such upload of yours: it may have expired."
        with pytest.raises(NotFoundError):
            await harness.append(asked, 0, DATA)
        with pytest.raises(NotFoundError):
            await harness.uploads.remove(principal(), asked)
    assert harness.files() == []


async def test_who_may_not(harness):
    """An account without the right can neither announce, nor look, nor send, nor remove."""
    upload_id = await harness.create()
    who = principal("ani", Role.APPROVER)
    for refused in (
        harness.uploads.create(who, len(DATA), SHA256),
        harness.uploads.get(who, upload_id),
        harness.uploads.append(who, upload_id, 0, pieces(DATA), None, None),
        harness.uploads.remove(who, upload_id),
    ):
        with pytest.raises(PermissionDeniedError):
            await refused
    assert harness.files() == []


async def test_too_long(harness):
    """One byte over the limit is refused before anything is stored."""
    with pytest.raises(TooLargeError):
        await harness.uploads.create(principal(), LIMITS.length + 1, SHA256)
    with pytest.raises(TooLargeError):
        await harness.uploads.create(principal(), (1 << 63) - 1, SHA256)
    assert await harness.audit_log() == []
    await harness.uploads.create(principal(), LIMITS.length, SHA256)


async def test_too_many(harness):
    """Three per account, four in all; an ended one makes room."""
    mine = [await harness.create() for _ in range(3)]
    with pytest.raises(RateError):
        await harness.create()
    await harness.create("budi")
    with pytest.raises(RateError):
        await harness.create("budi")
    await harness.uploads.remove(principal(), mine[0])
    assert await harness.audit_log() == ["upload.create"] * 4 + ["upload.remove"]
    await harness.create("budi")


async def test_many_at_once(harness):
    """Simultaneous announcements do not exceed the limit."""
    results = await asyncio.gather(*(harness.create() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, RateError) for result in results) == 5


async def test_an_accounts_quota(harness):
    """The announced lengths of one account's uploads stay within its quota."""
    await harness.uploads.create(principal(), LIMITS.account_bytes - 5, SHA256)
    with pytest.raises(QuotaError, match="end one of them first"):
        await harness.uploads.create(principal(), 6, SHA256)
    await harness.uploads.create(principal(), 5, SHA256)
    await harness.uploads.create(principal("budi"), 6, SHA256)


async def test_the_quota_of_all_blobs(harness):
    """Stored blobs and running uploads stay within it, to the byte."""
    quota = 2 * len(DATA) + 10
    harness.restart(dataclasses.replace(LIMITS, blob_quota=quota))
    await harness.append(await harness.create(), 0, DATA)
    assert await harness.record_of() == len(DATA)
    await harness.uploads.create(principal("budi"), len(DATA), "0" * 64)
    with pytest.raises(QuotaError, match="11 bytes, 1 are lacking"):
        await harness.uploads.create(principal(), 11, "1" * 64)
    await harness.uploads.create(principal(), 10, "1" * 64)
    assert (await harness.uploads.create(principal(), len(DATA), SHA256)).offset == len(DATA)


async def test_room_on_the_disk(local):
    """Space for the rest of other uploads, and a reserve, is not given away twice."""
    local.room = 2 * len(DATA) + LIMITS.keep_free
    first = await local.create()
    await local.create("budi")
    with pytest.raises(QuotaError, match="no room"):
        await local.uploads.create(principal(), 1, SHA256)
    await local.append(first, 0, DATA[:100])
    local.room -= 100
    with pytest.raises(QuotaError, match="no room"):
        await local.uploads.create(principal(), 1, SHA256)


async def test_a_full_disk(local, monkeypatch):
    """Bytes that fitted before the disk was full stay; the rest follows when there is space."""
    upload_id = await local.create()
    write = os.write

    def full(descriptor, data):
        if os.fstat(descriptor).st_size >= 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data[:100]))

    monkeypatch.setattr("server.release.uploads.partial.os.write", full)
    with pytest.raises(QuotaError, match="disk is full"):
        await local.append(upload_id, 0, DATA)
    monkeypatch.setattr("server.release.uploads.partial.os.write", write)
    assert await local.offset(upload_id) == 100
    assert await local.append(upload_id, 100, DATA[100:]) == len(DATA)


async def test_expiry(harness):
    """An upload lives for a day after its last part; then it is removed with its bytes."""
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


async def test_the_blob_outlives_the_upload(harness):
    """A blob stays when its upload is removed or expires."""
    upload_id = await harness.create()
    await harness.append(upload_id, 0, DATA)
    await harness.uploads.remove(principal(), upload_id)
    await harness.uploads.create(principal(), len(DATA), SHA256)
    harness.ahead = timedelta(days=2)
    await harness.uploads.sweep()
    assert await harness.uploads.blob_length(SHA256) == len(DATA)
    assert await harness.audit_log() == [
        *("upload.create", "upload.finish", "upload.remove", "upload.create", "upload.expire")
    ]


async def test_what_is_being_sent_does_not_expire(harness):
    """A part that takes days is not removed under its sender."""
    upload_id = await harness.create()

    async def long():
        yield DATA[:10]
        harness.ahead = timedelta(days=3)
        assert await harness.uploads.sweep() == 0
        yield DATA[10:]

    state = await harness.uploads.append(principal(), upload_id, 0, long(), None, None)
    assert state.is_whole


async def test_unneeded_files(harness):
    """Files of uploads without a row are removed; other files are left alone."""
    upload_id = await harness.create()
    await harness.append(upload_id, 0, DATA[:10])
    harness.plant("f" * 32)
    harness.plant("README")
    await harness.uploads.sweep()
    assert harness.files() == [upload_id, "README"]


async def test_a_blob_is_what_its_record_says(harness):
    """A blob that was cut off on disk counts as missing, and an upload of it repairs it."""
    await harness.append(await harness.create(), 0, DATA)
    path = harness.folder.blobs / SHA256[:2] / SHA256
    path.write_bytes(DATA[:-1])
    assert await harness.uploads.blob_length(SHA256) is None
    await harness.append(await harness.create(), 0, DATA)
    assert await harness.uploads.blob_length(SHA256) == len(DATA)
    with pytest.raises(FormatError):
        await harness.uploads.blob_length("../../keys/latest.pem")
