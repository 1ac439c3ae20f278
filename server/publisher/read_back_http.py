"""Reads publications back over the address that phones use: metadata and new targets."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import aiohttp
from tuf.api.metadata import TargetFile

from server.core.errors import FormatError
from server.core.metadata import decode_targets
from server.core.names import (
    TOP_LEVEL_ROLES,
    hashed_target_path,
    is_codename,
    is_latest,
    metadata_name,
)
from server.publisher.errors import PublishError
from server.publisher.plan import Publication
from server.publisher.read_back import (
    LIMIT,
    is_superseded,
    version_of,
)
from server.publisher.verify import RoleVersion
from server.storage.blobs import BlobReader
from server.storage.tree import read_role

BLOCK = 8 * 1024 * 1024  # bytes: what phones ask for in one request
ZIP_MAGIC = b"PK\x03\x04"
# The phone's own requests, so that a strict gate answers them.
METADATA_HEADERS = {"Accept-Encoding": "gzip"}
PATIENCE = 30  # seconds for a whole answer
ATTEMPTS = 100
PAUSE_SECONDS = 0.05
CACHE_SECONDS = 75.0  # a timestamp may be cached for 60 s; the rest is slack


class HttpReadBack:
    """Reads back over the address that phones use, and compares with `public` on disk.

    Publications may be read back concurrently while this or another process publishes more: an
    answer from a later publication is no error. Packages are compared with `blobs`.
    """

    def __init__(self, base_url: str, public: Path, blobs: BlobReader | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._public = public
        self._blobs = blobs
        self._replaced: dict[int, float] = {}  # version of a timestamp: when it was replaced

    async def __call__(self, publication: Publication) -> None:
        """Raise PublishError unless the public address answers with the published files."""
        try:
            async with aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                timeout=aiohttp.ClientTimeout(total=PATIENCE),
            ) as session:
                await self._metadata(session, publication)
                for file in publication.files:
                    await check_targets(session, self._base, file, self._public, self._blobs)
        except TimeoutError as error:
            raise PublishError(
                f"{self._base} does not answer within {PATIENCE} seconds: check the server there."
            ) from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError) as error:
            reason = str(error) or type(error).__name__
            raise PublishError(f"{self._base} does not answer: {reason}.") from error

    async def _metadata(self, session: aiohttp.ClientSession, publication: Publication) -> None:
        files = publication.files
        version = version_of(publication.timestamp)
        self._replaced[version - 1] = asyncio.get_running_loop().time()
        answer = b""
        for _ in range(ATTEMPTS):  # a device node notices a new timestamp within a second
            answer = await self._get(session, "/metadata/timestamp.json")
            newest = await asyncio.to_thread(read_role, self._public, "timestamp", 0)
            if answer == publication.timestamp or (
                answer == newest and version_of(newest) > version
            ):
                break
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            if not self._may_be_cached(answer, version, newest):
                raise PublishError(f"{self._base} still answers with an older timestamp.")
            # If the timestamp is cached, so is the 404 for the next root.
            files = tuple(file for file in files if file.role != "root")
        for file in files:
            await self._file(session, file)

    async def _file(self, session: aiohttp.ClientSession, file: RoleVersion) -> None:
        path = f"/metadata/{metadata_name(file.role, file.version)}"
        for _ in range(ATTEMPTS):  # another node may answer now, which is a moment behind
            answer = await self._get(session, path)
            if answer == file.data or await asyncio.to_thread(is_superseded, self._public, file):
                return
            if answer:
                raise PublishError(f"{self._base} answers {path} with other bytes.")
            await asyncio.sleep(PAUSE_SECONDS)
        raise PublishError(f"{self._base} does not have {path}: check whether a node is behind.")

    def _may_be_cached(self, answer: bytes, published: int, newest: bytes) -> bool:
        """Answer whether a cache in front may still hold this timestamp for some seconds.

        The timestamp may also be newer than version `published`, and replaced as well.
        """
        now = asyncio.get_running_loop().time()
        self._replaced = {v: at for v, at in self._replaced.items() if now - at < CACHE_SECONDS}
        try:
            version = version_of(answer)
        except FormatError:
            return False
        return version in self._replaced or published <= version < version_of(newest)

    async def _get(self, session: aiohttp.ClientSession, path: str) -> bytes:
        async with session.get(
            self._base + path, headers=METADATA_HEADERS, allow_redirects=False
        ) as response:
            data = b""
            async for piece in response.content.iter_any():
                data += piece
                if len(data) > LIMIT:
                    break
            return data if response.status == HTTPStatus.OK else b""


async def check_targets(
    session: aiohttp.ClientSession,
    base_url: str,
    file: RoleVersion,
    public: Path,
    blobs: BlobReader | None,
) -> None:
    """Raise PublishError unless phones can fetch the new targets of a role.

    Targets of the previous version were read back with that version. Of a package larger than
    `BLOCK`, the first block is compared with `blobs`, if given. Raises StorageError or OSError if
    `blobs` cannot be read.
    """
    if file.role in TOP_LEVEL_ROLES or is_latest(file.role):
        return
    for path, target in (await asyncio.to_thread(_new_targets, public, file)).items():
        url = f"{base_url}/targets/{hashed_target_path(path, target.hashes['sha256'])}"
        if is_codename(file.role):
            await _check_package(session, url, target, blobs)
        else:
            await _check_whole(session, url, target)


async def _check_whole(session: aiohttp.ClientSession, url: str, target: TargetFile) -> None:
    async with session.get(url, headers={"Accept-Encoding": "gzip"}) as response:
        if (response.status, response.content_length) != (HTTPStatus.OK, target.length):
            raise PublishError(f"{url} does not answer with what was published.")
        data = await response.content.readexactly(target.length)
    if hashlib.sha256(data).hexdigest() != target.hashes["sha256"]:
        raise PublishError(f"{url} answers with other bytes than were published.")


async def _check_package(
    session: aiohttp.ClientSession, url: str, target: TargetFile, blobs: BlobReader | None
) -> None:
    sha256, size = target.hashes["sha256"], min(BLOCK, target.length)
    if size == 0:  # an empty package has no range
        return
    async with session.get(url, headers={"Range": f"bytes=0-{size - 1}"}) as response:
        where = response.headers.get("Content-Range")
        expected = (HTTPStatus.PARTIAL_CONTENT, f"bytes 0-{size - 1}/{target.length}")
        if (response.status, where) != expected:
            raise PublishError(f"{url} does not answer a range request correctly.")
        digest = base64.b64encode(bytes.fromhex(sha256)).decode()
        if response.headers.get("Repr-Digest", f"sha-256=:{digest}:") != f"sha-256=:{digest}:":
            raise PublishError(f"{url} answers with the digest of something else.")
        data = await response.content.readexactly(size)
    if not data.startswith(ZIP_MAGIC):
        raise PublishError(f"{url} is not a zip file.")
    if size == target.length:
        is_right = hashlib.sha256(data).hexdigest() == sha256
    else:
        is_right = blobs is None or data == await _first_block(blobs, sha256)
    if not is_right:
        raise PublishError(f"{url} answers with other bytes than were published.")


async def _first_block(blobs: BlobReader, sha256: str) -> bytes:
    async with blobs.open_range(sha256, 0, BLOCK) as pieces:
        return b"".join([piece async for piece in pieces])


def _new_targets(public: Path, file: RoleVersion) -> dict[str, TargetFile]:
    """Return the targets that are not withdrawn and not in the previous version with this hash."""
    before = _load_before(public, file)
    return {
        path: target
        for path, target in decode_targets(file.role, file.data).signed.targets.items()
        if before.get(path) != target.hashes
        and not target.unrecognized_fields.get("custom", {}).get("withdrawn")
    }


def _load_before(public: Path, file: RoleVersion) -> Mapping[str, Mapping[str, str]]:
    paths = public.glob(f"metadata/[0-9]*.{file.role}.json")
    versions = (int(path.name.split(".")[0]) for path in paths)
    newest = max((version for version in versions if version < file.version), default=0)
    if not newest:
        return {}
    data = read_role(public, file.role, newest)
    targets = decode_targets(file.role, data).signed.targets
    return {path: target.hashes for path, target in targets.items()}
