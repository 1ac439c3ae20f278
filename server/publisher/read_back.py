"""Step 7 of publishing: what was published is fetched back and compared.

A difference is an alarm; nothing is rolled back, because the timestamp that phones see is valid.
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from tuf.api.metadata import TargetFile

from server.core.errors import FormatError, HeningError
from server.core.metadata import TIMESTAMP_LIMIT, decode_targets, decode_timestamp, metadata_limit
from server.core.names import (
    TOP_LEVEL_ROLES,
    hashed_target_path,
    is_codename,
    is_latest,
    metadata_name,
)
from server.device.snapshot import SUPERSEDED
from server.publisher.errors import PublishError
from server.publisher.plan import Publication
from server.publisher.verify import RoleVersion
from server.storage.blobs import BlobReader
from server.storage.bounded import read_bounded

BLOCK = 8 * 1024 * 1024  # bytes: what phones ask for in one request
ZIP_MAGIC = b"PK\x03\x04"


async def check_targets(
    session: aiohttp.ClientSession,
    base_url: str,
    file: RoleVersion,
    public: Path,
    blobs: BlobReader | None,
) -> None:
    """Raise PublishError unless the new targets of a role are answered as phones need it.

    Targets of the version before were read back with that version. Without `blobs` only a block of
    each target's bytes is compared. Raises StorageError or OSError where the store cannot be read.
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
        wanted = (HTTPStatus.PARTIAL_CONTENT, f"bytes 0-{size - 1}/{target.length}")
        if (response.status, where) != wanted:
            raise PublishError(f"{url} does not answer a range request rightly.")
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
    """Return the available targets that the version before did not list in the same way."""
    before = _load_before(public, file)
    return {
        path: target
        for path, target in decode_targets(file.role, file.data).signed.targets.items()
        if before.get(path) != target.hashes
        and not target.unrecognized_fields.get("custom", {}).get("withdrawn")
    }


def _load_before(public: Path, file: RoleVersion) -> Mapping[str, Mapping[str, str]]:
    metadata = public / "metadata"
    versions = (int(path.name.split(".")[0]) for path in metadata.glob(f"[0-9]*.{file.role}.json"))
    newest = max((version for version in versions if version < file.version), default=0)
    if not newest:
        return {}
    data = read_bounded(metadata / metadata_name(file.role, newest), metadata_limit(file.role))
    targets = decode_targets(file.role, data).signed.targets
    return {path: target.hashes for path, target in targets.items()}


# The phone's own requests, so that a strict gate answers them.
METADATA_HEADERS = {"Accept-Encoding": "gzip"}
PATIENCE = 30  # seconds for an answer as a whole
ATTEMPTS = 100
PAUSE_SECONDS = 0.05
LIMIT = 5_000_000
CACHE_SECONDS = 75.0  # a timestamp may be cached for 60 s; the rest is slack
ReadBack = Callable[[Publication], Awaitable[None]]


class DiskReadBack:
    """Reads back from the public folder, where no server runs."""

    def __init__(self, public: Path) -> None:
        self._public = public

    async def __call__(self, publication: Publication) -> None:
        """Raise PublishError unless every file is there as it was signed."""
        await asyncio.to_thread(self._check, publication)

    def _check(self, publication: Publication) -> None:
        for file in publication.files:
            name = metadata_name(file.role, file.version)
            path = self._public / "metadata" / name
            is_there = path.is_file() and read_bounded(path, LIMIT) == file.data
            if not is_there and not _is_superseded(self._public, file):
                raise PublishError(f"{name} on disk is not what was published.")
        newest = _newest_timestamp(self._public)
        if newest != publication.timestamp and _version(newest) <= _version(publication.timestamp):
            raise PublishError("timestamp.json on disk is not what was published.")


class HttpReadBack:
    """Reads back over the address that phones use, and compares with `public` on disk.

    Several publications may be read back concurrently while others publish, also from other
    processes: a later publication is no fault of an earlier one. Packages are compared with
    `blobs`.
    """

    def __init__(self, base_url: str, public: Path, blobs: BlobReader | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._public = public
        self._blobs = blobs
        self._replaced: dict[int, float] = {}  # version of a timestamp: when it was replaced

    async def __call__(self, publication: Publication) -> None:
        """Raise PublishError unless the public address answers with what was published."""
        # Most commands read back from disk; importing HTTP alone takes a quarter of a second.
        import aiohttp  # noqa: PLC0415

        from server.publisher.read_back import check_targets  # noqa: PLC0415

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
                f"{self._base} does not answer within {PATIENCE} seconds: see what stands there."
            ) from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError) as error:
            reason = str(error) or type(error).__name__
            raise PublishError(f"{self._base} does not answer: {reason}.") from error

    async def _metadata(self, session: "aiohttp.ClientSession", publication: Publication) -> None:
        files = publication.files
        version = _version(publication.timestamp)
        self._replaced[version - 1] = asyncio.get_running_loop().time()
        answer = b""
        for _ in range(ATTEMPTS):  # a device node notices a new timestamp within a second
            answer = await self._get(session, "/metadata/timestamp.json")
            newest = await asyncio.to_thread(_newest_timestamp, self._public)
            if answer == publication.timestamp or (answer == newest and _version(newest) > version):
                break
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            if not self._may_be_cached(answer, version, newest):
                raise PublishError(f"{self._base} still answers with an older timestamp.")
            # Where the timestamp is cached, so is the 404 for the next root.
            files = tuple(file for file in files if file.role != "root")
        for file in files:
            await self._file(session, file)

    async def _file(self, session: "aiohttp.ClientSession", file: RoleVersion) -> None:
        path = f"/metadata/{metadata_name(file.role, file.version)}"
        for _ in range(ATTEMPTS):  # another node may answer now, which is a moment behind
            answer = await self._get(session, path)
            if answer == file.data or await asyncio.to_thread(_is_superseded, self._public, file):
                return
            if answer:
                raise PublishError(f"{self._base} answers {path} with other bytes.")
            await asyncio.sleep(PAUSE_SECONDS)
        raise PublishError(f"{self._base} does not have {path}: see whether a node is behind.")

    def _may_be_cached(self, answer: bytes, published: int, newest: bytes) -> bool:
        """Answer whether a cache in front may still hold this timestamp for some seconds.

        It may also hold one that came after version `published` and was replaced as well.
        """
        now = asyncio.get_running_loop().time()
        self._replaced = {v: at for v, at in self._replaced.items() if now - at < CACHE_SECONDS}
        try:
            version = _version(answer)
        except FormatError:
            return False
        return version in self._replaced or published <= version < _version(newest)

    async def _get(self, session: "aiohttp.ClientSession", path: str) -> bytes:
        async with session.get(
            self._base + path, headers=METADATA_HEADERS, allow_redirects=False
        ) as response:
            data = b""
            async for piece in response.content.iter_any():
                data += piece
                if len(data) > LIMIT:
                    break
            return data if response.status == HTTPStatus.OK else b""


def _newest_timestamp(public: Path) -> bytes:
    return read_bounded(public / "metadata" / "timestamp.json", TIMESTAMP_LIMIT)


def _version(timestamp: bytes) -> int:
    return decode_timestamp(timestamp).signed.version


def _is_superseded(public: Path, file: RoleVersion) -> bool:
    """Answer whether the version may be gone because enough newer ones exist."""
    if file.role == "root":  # phones ask for every root
        return False
    there = (public / "metadata").glob(f"[0-9]*.{file.role}.json")
    newest = max((int(path.name.partition(".")[0]) for path in there), default=0)
    return file.version < newest - SUPERSEDED


STEP = 7


class ReadBacks:
    """Reads publications back in tasks of their own; `alarm` receives what is wrong.

    As a context manager it waits at the end for those under way, so that a command can report what
    they found. If the block fails, they are stopped.
    """

    def __init__(
        self,
        read_back: ReadBack,
        alarm: Callable[[str], None],
        after_step: Callable[[int], None],
    ) -> None:
        self._read_back = read_back
        self._alarm = alarm
        self._after_step = after_step
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, publication: Publication) -> None:
        """Begin to read back what is public now, without waiting."""
        task = asyncio.create_task(self._look(publication))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def wait(self) -> None:
        """Wait until all have ended."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def stop(self) -> None:
        """Stop those that are under way."""
        for task in self._under_way:
            task.cancel()
        await self.wait()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Wait for those under way, or stop them after an error."""
        await (self.wait() if kind is None else self.stop())

    async def _look(self, publication: Publication) -> None:
        try:
            await self._read_back(publication)
        except HeningError as error:
            self._alarm(str(error))
        except Exception as error:  # noqa: BLE001 - no caller awaits this task
            self._alarm(
                f"snapshot {publication.snapshot_version} is public and could not be read back:"
                f" {error!r}."
            )
        self._after_step(STEP)
