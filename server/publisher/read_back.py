"""Step 7 of publishing: what was published is fetched back and compared.

A difference is an alarm; nothing is taken back, because the timestamp that phones see is valid.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import aiohttp

from server.core.errors import FormatError
from server.core.metadata import decode_targets, decode_timestamp
from server.core.names import hashed_target_path, is_codename, metadata_name
from server.publisher.errors import PublishError
from server.publisher.plan import Publication
from server.storage.bounded import read_bounded

# The phone's own requests, so that a strict gate answers too.
METADATA_HEADERS = {"Accept-Encoding": "gzip"}
BLOCK = 8 * 1024 * 1024
ATTEMPTS = 100
PAUSE_SECONDS = 0.05
LIMIT = 5_000_000
CACHE_SECONDS = 75.0  # the 60 s for which a timestamp may be cached, and some slack
ZIP_MAGIC = b"PK\x03\x04"
ReadBack = Callable[[Publication], Awaitable[None]]


class DiskReadBack:
    """Reads back from the public folder, where no server runs."""

    def __init__(self, public: Path) -> None:
        self._metadata = public / "metadata"

    async def __call__(self, publication: Publication) -> None:
        """Raise PublishError unless every file is there as it was signed."""
        for name, data in _expected(publication).items():
            path = self._metadata / name
            if await asyncio.to_thread(read_bounded, path, len(data)) != data:
                raise PublishError(f"{name} on disk is not what was published.")


class HttpReadBack:
    """Reads back over the address that phones use."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")
        self._replaced: dict[int, float] = {}  # version of a timestamp: when the next one came

    async def __call__(self, publication: Publication) -> None:
        """Raise PublishError unless the public address answers with what was published."""
        try:
            async with aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                timeout=aiohttp.ClientTimeout(total=30),
            ) as session:
                await self._metadata(session, publication)
                await self._packages(session, publication)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise PublishError(f"{self._base} does not answer: {error}.") from error

    async def _metadata(self, session: aiohttp.ClientSession, publication: Publication) -> None:
        expected = _expected(publication)
        timestamp = expected.pop("timestamp.json")
        newest = decode_timestamp(timestamp).signed.version
        self._replaced[newest - 1] = asyncio.get_running_loop().time()
        answer = b""
        for _ in range(ATTEMPTS):  # a device node notices a new timestamp within a second
            answer = await self._get(session, "/metadata/timestamp.json")
            if answer == timestamp:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            if not self._may_be_cached(answer):
                raise PublishError(f"{self._base} still answers with an older timestamp.")
            # Where the timestamp is cached, so is the 404 that stood for the next root.
            expected = {name: d for name, d in expected.items() if not name.endswith(".root.json")}
        for name, data in expected.items():
            if await self._get(session, f"/metadata/{name}") != data:
                raise PublishError(f"{self._base} answers /metadata/{name} with other octets.")

    def _may_be_cached(self, answer: bytes) -> bool:
        """Answer whether a cache in front may rightly hold this timestamp for some seconds more."""
        now = asyncio.get_running_loop().time()
        self._replaced = {v: at for v, at in self._replaced.items() if now - at < CACHE_SECONDS}
        try:
            return decode_timestamp(answer).signed.version in self._replaced
        except FormatError:
            return False

    async def _packages(self, session: aiohttp.ClientSession, publication: Publication) -> None:
        for file in publication.files:
            if not is_codename(file.role):
                continue
            for path, target in decode_targets(file.role, file.data).signed.targets.items():
                if target.unrecognized_fields["custom"]["withdrawn"]:
                    continue
                url = f"{self._base}/targets/{hashed_target_path(path, target.hashes['sha256'])}"
                last = min(BLOCK, target.length) - 1
                async with session.get(url, headers={"Range": f"bytes=0-{last}"}) as response:
                    where = response.headers.get("Content-Range")
                    if (response.status, where) != (206, f"bytes 0-{last}/{target.length}"):
                        raise PublishError(f"{url} does not answer a range request rightly.")
                    if await response.content.readexactly(len(ZIP_MAGIC)) != ZIP_MAGIC:
                        raise PublishError(f"{url} is not a zip file.")

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


def _expected(publication: Publication) -> dict[str, bytes]:
    files = {metadata_name(file.role, file.version): file.data for file in publication.files}
    return {**files, "timestamp.json": publication.timestamp}
