"""The blobs API: names that are hashes, tokens with limits, vaults that others cannot see."""

import asyncio
import hashlib
import os

import pytest
import structlog
from aiohttp import ClientConnectionResetError, ClientError, web

from tests.cases import case
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import Program, running

BODY = b"not encrypted, but that is what a test may do"
NAME = hashlib.sha256(BODY).hexdigest()


async def make_program(cloud, name="ani", *, reads_only=False):
    """Return a program of a new owner, with a token."""
    return await (await cloud.device(name)).program(reads_only=reads_only)


async def test_an_object_is_kept_under_its_hash(cloud):
    """An object is listed in both versions, read whole and in ranges, and removed."""
    program = await make_program(cloud)
    assert (await program.ask("POST", "photos/?create=true"))[0] == 200
    assert (await program.ask("POST", f"photos/data/{NAME}", BODY))[0] == 200
    assert (await program.ask("POST", f"photos/data/{NAME}", BODY))[0] == 200
    status, _, headers = await program.ask("HEAD", f"photos/data/{NAME}")
    assert (status, headers["Content-Length"]) == (200, str(len(BODY)))
    assert (await program.ask("GET", f"photos/data/{NAME}"))[1] == BODY
    status, part, headers = await program.ask("GET", f"photos/data/{NAME}", Range="bytes=4-12")
    assert (status, part) == (206, BODY[4:13])
    assert headers["Content-Range"] == f"bytes 4-12/{len(BODY)}"
    assert (await program.ask("GET", f"photos/data/{NAME}", Range="bytes=99-"))[0] == 416
    assert (await program.ask("GET", "photos/data/"))[1] == f'["{NAME}"]'.encode()
    second = {"Accept": "application/vnd.x.restic.rest.v2"}
    listed = await program.ask("GET", "photos/data/", **second)
    assert listed[1] == f'[{{"name":"{NAME}","size":{len(BODY)}}}]'.encode()
    assert listed[2]["Content-Type"] == second["Accept"]
    assert (await program.ask("DELETE", f"photos/data/{NAME}"))[0] == 200
    assert (await program.ask("GET", f"photos/data/{NAME}"))[0] == 404
    assert not cloud.stored_bodies()


async def test_body_with_another_hash_is_not_stored(cloud):
    """A body that does not hash to its name is not listed, readable or left in the store."""
    program = await make_program(cloud)
    await program.ask("POST", "photos/?create=true")
    for body in (BODY[:-1], BODY + b"x", b"", os.urandom(600_000)):
        with case(body[-9:]):
            assert (await program.ask("POST", f"photos/data/{NAME}", body))[0] == 400
            assert (await program.ask("GET", f"photos/data/{NAME}"))[0] == 404
            assert (await program.ask("GET", "photos/data/"))[1] == b"[]"
            assert not cloud.stored_bodies()


async def test_malformed_paths_are_refused(cloud):
    """Malformed paths are refused, and nothing is stored."""
    program = await make_program(cloud)
    await program.ask("POST", "photos/?create=true")
    for path in (
        *("Photos/data/", f"photos/other/{NAME}", f"photos/data/{NAME[:-1]}"),
        *(f"photos/data/{NAME.upper()}", "photos/data/..%2f..%2fconfig", f"-x/data/{NAME}"),
    ):
        with case(path):
            assert (await program.ask("POST", path, BODY))[0] in {400, 404, 405}
            assert not (cloud.folder / "bodies").exists()


async def test_tokens_are_limited_to_the_blobs_of_one_name(cloud):
    """A token opens the blobs of its own name alone; a read-only token changes nothing."""
    owner = await cloud.device("ani")
    program = await owner.program()
    await program.ask("POST", "photos/?create=true")
    assert (await owner.ask("GET", "notices"))[0] == 200
    owner.token = await owner.make_token()
    assert (await owner.call("GET", "collection/"))[0] == 401
    assert (await owner.ask("GET", "notices"))[0] == 401
    reader = await make_program(cloud, "budi", reads_only=True)
    for method, path in (("POST", "photos/?create=true"), ("DELETE", "photos/")):
        assert (await reader.ask(method, path))[0] == 403
    for name, token in (("ani", "wrong"), ("budi", program.headers["Authorization"])):
        status, _, headers = await Program(cloud, name, token).ask("GET", "photos/data/")
        assert status == 401
        assert headers["WWW-Authenticate"].startswith("Basic ")


@on_both
async def test_upload_into_a_removed_vault(cloud):
    """An upload into a vault that is removed meanwhile is refused, even if its number is reused."""
    owner, other = await make_program(cloud), await make_program(cloud, "budi")
    await owner.ask("POST", "photos/?create=true")
    is_gone = asyncio.Event()

    async def body():
        yield BODY[:5]
        await is_gone.wait()
        yield BODY[5:]

    sending = asyncio.create_task(owner.ask("POST", f"photos/data/{NAME}", body()))
    while not [*(cloud.folder / "bodies").rglob(".tmp-*")]:  # noqa: ASYNC110 - a file sets no event
        await asyncio.sleep(0.01)
    assert (await owner.ask("DELETE", "photos/"))[0] == 200
    assert (await other.ask("POST", "photos/?create=true"))[0] == 200
    is_gone.set()
    assert (await sending)[0] == 404
    assert (await other.ask("GET", "photos/data/"))[1] == b"[]"


async def test_quota_of_vaults(place, tmp_path):
    """A body above the quota is refused, and removals free space."""
    async with running(place, tmp_path, quota=len(BODY) + 10) as cloud:
        program = await make_program(cloud)
        await program.ask("POST", "photos/?create=true")
        assert (await program.ask("POST", f"photos/data/{NAME}", BODY))[0] == 200
        other = hashlib.sha256(BODY[1:]).hexdigest()
        assert (await program.ask("POST", f"photos/data/{other}", BODY[1:]))[0] == 507
        await program.ask("DELETE", f"photos/data/{NAME}")
        assert (await program.ask("POST", f"photos/data/{other}", BODY[1:]))[0] == 200
        await program.ask("DELETE", "photos/")
        assert (await program.ask("POST", "photos/?create=true"))[0] == 200
        assert (await program.ask("POST", f"photos/data/{NAME}", BODY))[0] == 200


async def test_download_that_the_client_cuts_off(cloud, monkeypatch):
    """A download that the client cuts off ends without an answer or a log line."""
    program = await make_program(cloud)
    await program.ask("POST", "photos/?create=true")
    await program.ask("POST", f"photos/data/{NAME}", BODY)

    async def hang_up(*_):  # noqa: RUF029 - a handler
        raise ClientConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr(web.StreamResponse, "write", hang_up)
    with structlog.testing.capture_logs() as logs, pytest.raises(ClientError):
        await program.ask("GET", f"photos/data/{NAME}")
    assert logs == []
