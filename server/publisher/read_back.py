"""Step 7 of publishing: what was published is fetched back and compared.

A difference is an alarm; nothing is taken back, because the timestamp that phones see is valid.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from server.core.errors import FormatError
from server.core.metadata import TIMESTAMP_LIMIT, decode_timestamp
from server.core.names import metadata_name
from server.device.snapshot import SUPERSEDED
from server.publisher.errors import PublishError
from server.publisher.plan import Publication
from server.publisher.verify import RoleVersion
from server.storage.blobs import BlobReader
from server.storage.bounded import read_bounded

if TYPE_CHECKING:
    import aiohttp

# The phone's own requests, so that a strict gate answers too.
METADATA_HEADERS = {"Accept-Encoding": "gzip"}
PATIENCE = 30  # seconds for an answer as a whole
ATTEMPTS = 100
PAUSE_SECONDS = 0.05
LIMIT = 5_000_000
CACHE_SECONDS = 75.0  # the 60 s for which a timestamp may be cached, and some slack
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

    Several publications may be read back at once, and others publish meanwhile, from other
    processes, too: what came later is no fault of what came before. `blobs` is what packages are
    compared with.
    """

    def __init__(self, base_url: str, public: Path, blobs: BlobReader | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._public = public
        self._blobs = blobs
        self._replaced: dict[int, float] = {}  # version of a timestamp: when the next one came

    async def __call__(self, publication: Publication) -> None:
        """Raise PublishError unless the public address answers with what was published."""
        # Most commands read back from disk; HTTP alone takes a quarter of a second to import.
        import aiohttp  # noqa: PLC0415

        from server.publisher.target_read_back import check_targets  # noqa: PLC0415

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
            # Where the timestamp is cached, so is the 404 that stood for the next root.
            files = tuple(file for file in files if file.role != "root")
        for file in files:
            path = f"/metadata/{metadata_name(file.role, file.version)}"
            is_right = await self._get(session, path) == file.data
            if not is_right and not await asyncio.to_thread(_is_superseded, self._public, file):
                raise PublishError(f"{self._base} answers {path} with other octets.")

    def _may_be_cached(self, answer: bytes, published: int, newest: bytes) -> bool:
        """Answer whether a cache in front may rightly hold this timestamp for some seconds more.

        It may be one that came after version `published` and was replaced as well.
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
    """Answer whether so many versions came since that this one need not be there any more."""
    if file.role == "root":  # phones ask for every one of them
        return False
    there = (public / "metadata").glob(f"*.{file.role}.json")
    newest = max((int(path.name.partition(".")[0]) for path in there), default=0)
    return file.version < newest - SUPERSEDED
