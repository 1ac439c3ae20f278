"""tus 1.0.0 over HTTP: raw requests, tuspy, and the commands of docs/how-to/upload.md."""

import asyncio
import base64
import hashlib
import io
import re
from pathlib import Path

import pytest
from tusclient.client import TusClient

from server.release.uploads.receiver import BATCH
from tests.server.ceremony import write_bundle
from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_2, SECOND

DATA = bytes(range(256)) * 400
SHA256 = hashlib.sha256(DATA).hexdigest()
PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "upload.md"
TUS = {"Tus-Resumable": "1.0.0"}


def announcing(data=DATA, sha256=None, **headers):
    """Return the headers that announce `data`."""
    digest = sha256 or hashlib.sha256(data).hexdigest()
    metadata = f"filename eA==,sha256 {base64.b64encode(digest.encode()).decode()}"
    upload = {"Upload-Length": str(len(data)), "Upload-Metadata": metadata}
    return {**TUS, **upload, **headers}


def sending(offset, checksum=None, **headers):
    """Return the headers of a part."""
    sent = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    if checksum is not None:
        sent["Upload-Checksum"] = checksum
    return {**TUS, **sent, **headers}


async def begin(api, data=DATA, **options):
    """Announce `data` and return the path of the upload below /api/v1."""
    answer = await api.call(
        "POST", "/uploads", token="engineer", headers=announcing(data, **options)
    )
    assert answer.status == 201
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    return answer.headers["Location"].removeprefix("/api/v1")


async def patch(api, path, offset, data, **options):
    """Send a part."""
    return await api.call(
        "PATCH", path, token="engineer", headers=sending(offset, **options), data=data
    )


async def find_offset(api, path):
    """Return the offset that HEAD reports, or None if it is refused."""
    answer = await api.call("HEAD", path, token="engineer", headers=TUS)
    assert answer.headers["Cache-Control"] == "no-store"
    return int(answer.headers["Upload-Offset"]) if answer.status == 200 else None


async def test_upload_in_two_parts(api):
    """An upload in two parts makes a blob; HEAD reports the offset in between."""
    path = await begin(api)
    assert (await patch(api, path, 0, DATA[:1000])).headers["Upload-Offset"] == "1000"
    answer = await api.call("HEAD", path, token="engineer", headers=TUS)
    assert answer.headers["Upload-Offset"] == "1000"
    assert answer.headers["Upload-Length"] == str(len(DATA))
    assert answer.headers["Upload-Metadata"] == announcing()["Upload-Metadata"].split(",")[1]
    assert answer.headers["Upload-Expires"].endswith(" GMT")
    missing = await api.call("HEAD", f"/blobs/{SHA256}", token="viewer")
    assert missing.status == 404
    answer = await patch(api, path, 1000, DATA[1000:])
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(len(DATA)))
    found = await api.call("GET", f"/blobs/{SHA256}", token="viewer")
    assert found.json == {"sha256": SHA256, "length": len(DATA)}
    shown = await api.call("GET", path, token="engineer")
    assert (shown.json["offset"], shown.json["sha256"]) == (len(DATA), SHA256)


async def test_options(api):
    """OPTIONS needs no token and has the headers that tus 1.0.0 requires."""
    answer = await api.call("OPTIONS", "/uploads", token=None)
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    extensions = set(answer.headers["Tus-Extension"].split(","))
    assert extensions == {"creation", "checksum", "termination", "expiration"}
    assert set(answer.headers["Tus-Checksum-Algorithm"].split(",")) == {"sha1", "sha256"}
    assert int(answer.headers["Tus-Max-Size"]) > 1 << 32


async def test_other_versions_of_tus(api):
    """A request with another tus version gets 412, which names the supported version."""
    path = await begin(api)
    for method in ("POST", "HEAD", "PATCH", "DELETE"):
        is_part = method == "PATCH"
        headers = sending(0) if is_part else announcing()
        del headers["Tus-Resumable"]
        for version in ({}, {"Tus-Resumable": "0.2.2"}, {"Tus-Resumable": "1.0.0, 1.0.0"}):
            place, data = ("/uploads" if method == "POST" else path), (DATA if is_part else None)
            sent = {"headers": headers | version, "data": data}
            answer = await api.call(method, place, token="engineer", **sent)
            assert (answer.status, answer.headers["Tus-Version"]) == (412, "1.0.0")
    assert await find_offset(api, path) == 0


async def test_invalid_announcements(api):
    """Invalid or too large lengths and invalid metadata are refused."""
    for headers, status in (
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "9007199254740991"}, 413),
        ({"Upload-Metadata": ""}, 400),
        ({"Upload-Defer-Length": "1"}, 400),
    ):
        answer = await api.call("POST", "/uploads", token="engineer", headers=announcing(**headers))
        assert answer.status == status, headers
    assert not api.services.folder.uploads.exists()


async def test_invalid_parts(api):
    """A part with a wrong type, offset, coding, length or checksum is refused.

    Earlier bytes stay, except if the whole has another hash than announced.
    """
    path = await begin(api)
    await patch(api, path, 0, DATA[:10])
    wrong = f"sha256 {base64.b64encode(hashlib.sha256(b'?').digest()).decode()}"
    for offset, data, headers, status in (
        (10, b"X", {"Content-Type": "application/octet-stream"}, 415),
        (10, b"X", {"Content-Encoding": "gzip"}, 415),
        (10, b"X", {"checksum": "md5 AA=="}, 400),
        (11, DATA[11:], {}, 409),
        (10, DATA, {}, 413),
        (10, DATA[10:], {"checksum": wrong}, 460),
    ):
        refused = await patch(api, path, offset, data, **headers)
        assert refused.status == status
        if status == 409:
            assert refused.headers["Upload-Offset"] == "10"
        assert await find_offset(api, path) == 10
    mismatch = await patch(api, path, 10, DATA[10:-1] + b"X")
    assert (mismatch.status, mismatch.problem) == (460, "checksum-mismatch")
    assert await find_offset(api, path) is None
    assert (await api.call("HEAD", f"/blobs/{SHA256}")).status == 404


async def test_repeated_key_returns_the_same_upload(api):
    """A repeated Idempotency-Key returns the same upload; with other bytes it gets 422."""
    key = {"Idempotency-Key": "build-7"}
    first = await begin(api, **key)
    assert await begin(api, **key) == first
    other = announcing(DATA[1:], **key)
    answer = await api.call("POST", "/uploads", token="engineer", headers=other)
    assert (answer.status, answer.problem) == (422, "key-reused")
    assert await begin(api) != first


async def test_repeated_key_after_the_blob_was_removed(api):
    """If the blob was removed, a repeated key returns the ended upload, a new key a new one."""
    key = {"Idempotency-Key": "build-8"}
    path = await begin(api, **key)
    assert (await patch(api, path, 0, DATA)).status == 204
    assert (await api.call("HEAD", path, token="engineer", headers=TUS)).status == 200
    await asyncio.to_thread(api.services.publisher.blobs.remove, hashlib.sha256(DATA).hexdigest())
    assert await begin(api, **key) == path
    assert (await api.call("HEAD", path, token="engineer", headers=TUS)).status == 404
    other = await begin(api, **{"Idempotency-Key": "build-9"})
    assert await find_offset(api, other) == 0


async def test_delete(api):
    """DELETE removes an upload; later requests get 404, as for another account's upload."""
    path = await begin(api)
    for method in ("HEAD", "DELETE", "GET"):
        assert (await api.call(method, path, token="admin", headers=TUS)).status == 404
    await patch(api, path, 0, DATA[:10])
    answer = await api.call("DELETE", path, token="engineer", headers=TUS)
    assert (answer.status, answer.headers["Tus-Resumable"]) == (204, "1.0.0")
    assert (await patch(api, path, 10, DATA[10:])).status == 404
    assert list(api.services.folder.uploads.iterdir()) == []


def uploader(api, data=DATA, sha256=SHA256, **options):
    """Return a tuspy uploader for `data`."""
    client = TusClient(f"{api.url}/api/v1/uploads", {"Authorization": "Bearer engineer"})
    metadata = {"sha256": sha256, "filename": "a.zip"}
    return client.uploader(file_stream=io.BytesIO(data), metadata=metadata, **options)


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with checksums"])
async def test_tuspy_resumes(api, checksum):
    """Tuspy sends chunks with and without checksums, and resumes at the server's offset.

    An upload of bytes that are already there is complete immediately.
    """
    options = {"chunk_size": 30_000, "upload_checksum": checksum}
    first = await asyncio.to_thread(uploader, api, **options)
    await asyncio.to_thread(first.upload_chunk)
    second = await asyncio.to_thread(uploader, api, url=first.url, **options)
    assert second.offset == 30_000
    await asyncio.to_thread(second.upload)
    assert (await api.call("HEAD", f"/blobs/{SHA256}")).status == 200
    again = await asyncio.to_thread(uploader, api, retries=1, retry_delay=0)
    await asyncio.to_thread(again.upload)
    assert again.offset == len(DATA)
    assert not list(api.services.folder.uploads.iterdir())


async def test_tuspy_after_a_lost_connection(api):
    """After a lost connection written bytes stay, and tuspy sends the rest."""
    data = DATA * 30
    sha256 = hashlib.sha256(data).hexdigest()
    path = await begin(api, data)
    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    headers = sending(0, Authorization="Bearer engineer", Host="x")
    headers["Content-Length"] = str(len(data))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"PATCH /api/v1{path} HTTP/1.1\r\n{head}\r\n".encode() + data[:-1])
    await writer.drain()
    while not await find_offset(api, path):
        pass
    writer.close()
    sent = await asyncio.to_thread(
        lambda: uploader(
            api, data, sha256, url=f"{api.url}/api/v1{path}", retries=99, retry_delay=0.01
        )
    )
    assert BATCH <= sent.offset < len(data)
    await asyncio.to_thread(sent.upload)
    assert (await api.call("HEAD", f"/blobs/{sha256}")).status == 200


@pytest.mark.needs("curl")
async def test_curl_commands_of_the_page(world, tmp_path):
    """The page's curl commands upload a package and publish its role."""
    script = re.search(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    (tmp_path / "incoming").mkdir()
    files = world.second_release()
    sent = {sha256: data for sha256, data in world.ceremony.blobs.items() if data == PACKAGE_2}
    write_bundle(tmp_path / "incoming", files, sent)
    is_submitted = asyncio.Event()
    async with api_world(world, wake=is_submitted.set) as api:

        async def publish():
            await is_submitted.wait()
            await api.services.publisher.process_incoming()

        publishing = asyncio.create_task(publish())
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            script.replace("http://127.0.0.1:8081", api.url),
            cwd=tmp_path,
            env={"TOKEN": "engineer", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, (out + err).decode()
        await publishing
    assert b'"status":"published"' in out
    assert SECOND in (await asyncio.to_thread(world.published)).roles["armani"].targets
