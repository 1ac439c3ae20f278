"""Malicious uploads, with a token that may upload."""

import asyncio
import base64
import contextlib
import hashlib
import itertools

import pytest

from tests.server.release.api_world import api_world

DATA = bytes(range(256)) * 4096
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
async def api(world):
    """Serve the API."""
    async with api_world(world) as served:
        yield served


async def begin(api, data=DATA):
    """Announce an upload of `data`; return its path below /api/v1."""
    digest = base64.b64encode(hashlib.sha256(data).hexdigest().encode()).decode()
    told = {"Upload-Length": str(len(data)), "Upload-Metadata": f"sha256 {digest}"}
    answer = await api.call("POST", "/uploads", token="engineer", headers=TUS | told)
    return answer.headers["Location"].removeprefix("/api/v1")


async def find_offset(api, path):
    """Return the offset in the answer to HEAD, or None while another request is sending."""
    answer = await api.call("HEAD", path, token="engineer", headers=TUS)
    return int(answer.headers["Upload-Offset"]) if answer.status == 200 else None


async def send(api, path, pieces, *, is_cut=False, **framing):
    """Send a PATCH; return its status line, empty if there is none, and the bytes sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    headers = {
        **TUS,
        "Host": "x",
        "Authorization": "Bearer engineer",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        **framing,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"PATCH /api/v1{path} HTTP/1.1\r\n{head}\r\n".encode())
    sent = 0
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            if reader._buffer:
                break
    line = b""
    with contextlib.suppress(ConnectionError):
        line = b"" if is_cut else await reader.readline()
    writer.close()
    return line.decode(), sent


PATHS = (
    *("..%2f..%2fhening.sqlite", "%2e%2e/hening.sqlite", "..", "%00" * 32, "a" * 31, "A" * 32),
    *("a" * 32 + ".from", "a" * 32 + "%0a"),
)


async def test_ids_that_are_paths(api, world):
    """No spelling of a path as an upload's id reaches a file: the answer is 404."""
    before = sorted(path for path in world.folder.root.rglob("*") if path.is_file())
    rest = "Authorization: Bearer engineer\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\r\n"
    for name, method in itertools.product(PATHS, ("HEAD", "PATCH", "DELETE")):
        target = f"{method} /api/v1/uploads/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write((target + rest).encode())
        assert b" 404 " in await reader.readline(), (name, method)
        writer.close()
    assert sorted(path for path in world.folder.root.rglob("*") if path.is_file()) == before


async def test_endless_body(api, world):
    """A body longer than announced is refused, and none of it stays on disk."""
    path = await begin(api)

    def endless():
        while True:
            yield b"10000\r\n" + b"x" * 65_536 + b"\r\n"

    line, sent = await send(api, path, endless(), **{"Transfer-Encoding": "chunked"})
    assert " 413 " in line
    assert sent < 64 * len(DATA)
    while await find_offset(api, path) is None:
        pass
    assert await find_offset(api, path) == 0
    kept = [file.stat().st_size for file in world.folder.uploads.iterdir()]
    assert sum(kept) == 0


LENGTHS = ["-1", "1e6", "10, 10", "+10", "0x10", "10\r\nContent-Length: 9"]


async def test_invalid_content_lengths(api):
    """An invalid or repeated Content-Length ends the connection before any byte is accepted."""
    path = await begin(api)
    for length in LENGTHS:
        line, _ = await send(api, path, [DATA[:10]], **{"Content-Length": length})
        assert " 400 " in line, length
        assert await find_offset(api, path) == 0


async def test_content_length_too_long(api):
    """An upload with fewer bytes than its Content-Length can be resumed where it stopped."""
    path = await begin(api)
    await send(api, path, [DATA[:1000]], is_cut=True, **{"Content-Length": str(len(DATA))})
    while (offset := await find_offset(api, path)) is None:
        pass
    assert offset <= 1000
    line = " 409 "
    while " 409 " in line:
        offset = await find_offset(api, path) or 0
        rest = {"Upload-Offset": str(offset)}
        length = {"Content-Length": str(len(DATA) - offset)}
        line, _ = await send(api, path, [DATA[offset:]], **length, **rest)
    assert " 204 " in line


async def test_concurrent_parts(api):
    """Of parts sent concurrently one is stored whole; none are mixed."""
    path = await begin(api)
    other = bytes(len(DATA))
    framing = {"Content-Length": str(len(DATA))}
    answers = await asyncio.gather(
        *(send(api, path, [DATA if n == 0 else other], **framing) for n in range(4))
    )
    statuses = sorted(line.split(" ")[1] for line, _ in answers if line)
    assert set(statuses) <= {"204", "404", "409", "460"}
    assert sum(status in {"204", "460"} for status in statuses) == 1
