"""Reads back what phones download: packages, parts and pictures, cheaply however long they are.

A phone asks for a part or a picture as a whole, and so it is done here. Its first request for a
package is for its first 8 MiB. That one is made here, and of the answer are checked: that it is
that range, the length of the whole, the digest header where there is one, and the octets. Of a
package that is not longer they are hashed; of a longer one they are compared with the blob in the
store, whose hash was verified when it came in.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import aiohttp
from tuf.api.metadata import TargetFile

from server.core.metadata import decode_targets, metadata_limit
from server.core.names import (
    TOP_LEVEL_ROLES,
    hashed_target_path,
    is_codename,
    is_latest,
    metadata_name,
)
from server.publisher.errors import PublishError
from server.publisher.verify import RoleVersion
from server.storage.blobs import BlobReader
from server.storage.bounded import read_bounded

BLOCK = 8 * 1024 * 1024  # octets: what phones ask for at once
ZIP_MAGIC = b"PK\x03\x04"


async def check_targets(
    session: aiohttp.ClientSession,
    base_url: str,
    file: RoleVersion,
    public: Path,
    blobs: BlobReader | None,
) -> None:
    """Raise PublishError unless the targets that are new in a role are answered as phones need it.

    What the version before lists was read back with that one. Without `blobs` the octets of targets
    beyond a block are not compared. Raises StorageError or OSError where the store cannot be read.
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
        raise PublishError(f"{url} answers with other octets than were published.")


async def _check_package(
    session: aiohttp.ClientSession, url: str, target: TargetFile, blobs: BlobReader | None
) -> None:
    sha256, size = target.hashes["sha256"], min(BLOCK, target.length)
    if size == 0:  # no range is in it
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
        raise PublishError(f"{url} answers with other octets than were published.")


async def _first_block(blobs: BlobReader, sha256: str) -> bytes:
    async with blobs.open_range(sha256, 0, BLOCK) as pieces:
        return b"".join([piece async for piece in pieces])


def _new_targets(public: Path, file: RoleVersion) -> dict[str, TargetFile]:
    """Return the targets that can be asked for and that the version before does not list so."""
    before = _load_before(public, file)
    return {
        path: target
        for path, target in decode_targets(file.role, file.data).signed.targets.items()
        if before.get(path) != target.hashes
        and not target.unrecognized_fields.get("custom", {}).get("withdrawn")
    }


def _load_before(public: Path, file: RoleVersion) -> Mapping[str, Mapping[str, str]]:
    metadata = public / "metadata"
    versions = (int(path.name.split(".")[0]) for path in metadata.glob(f"*.{file.role}.json"))
    newest = max((version for version in versions if version < file.version), default=0)
    if not newest:
        return {}
    data = read_bounded(metadata / metadata_name(file.role, newest), metadata_limit(file.role))
    targets = decode_targets(file.role, data).signed.targets
    return {path: target.hashes for path, target in targets.items()}
