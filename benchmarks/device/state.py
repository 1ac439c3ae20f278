"""The published states to serve: some models, and one package of realistic size."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import TargetFile

from benchmarks.big_state import (
    BigState,
    clock,
    make_big_state,
    make_role,
    put_blobs,
    record_blobs,
    sign,
    submit,
)
from benchmarks.full_release import full_release
from server.bootstrap import open_publisher
from server.publisher.read_back import DiskReadBack
from server.storage.local_blobs import LocalBlobs

MIB = 1 << 20
TIMESTAMP = "/metadata/timestamp.json"
NEXT_ROOT = "/metadata/2.root.json"


@dataclass(frozen=True, slots=True)
class Site:
    """A state, and the URL path, length and file of its big package."""

    state: BigState
    package_url: str
    package_length: int
    package_file: Path


def make_site(root: Path, models: int, package_mib: int, tell: Callable[[str], None]) -> Site:
    """Publish a state of `models`, each with three channels, and a package of `package_mib` MiB."""
    state = asyncio.run(make_big_state(root, models, 1, 100, tell))
    return asyncio.run(_add_package(state, package_mib * MIB))


async def publish_role(state: BigState, version: int) -> None:
    """Submit the next version of the last model's role; a running server publishes it."""
    codename = state.codenames[-1]
    submit(state.folder, {(codename, version): await state.next_role(codename, version)})


async def _add_package(state: BigState, length: int) -> Site:
    codename, counter = state.codenames[0], state.releases + 1
    store = LocalBlobs(state.folder.blobs)
    piece = os.urandom(min(MIB, length))
    digest = hashlib.sha256()
    for _ in range(length // len(piece)):
        digest.update(piece)
    sha256 = digest.hexdigest()
    file = store.path(sha256)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        for _ in range(length // len(piece)):
            out.write(piece)
    role = make_role(codename, state.releases, 2)
    await record_blobs(state.folder, put_blobs(state.folder, [role]) | {sha256: length})
    name = f"{codename}-{counter}-full.zip"
    path = f"{codename}/id/stable/{name}"
    custom = full_release(codename, counter)
    role.targets[path] = TargetFile(length, {"sha256": sha256}, path, {"custom": custom})
    submit(state.folder, {(codename, 2): sign(role, state.signers[codename])})
    alarms: list[str] = []
    read_back = DiskReadBack(state.folder.public)
    async with open_publisher(state.folder, clock, read_back, alarms.append) as publisher:
        for result in await publisher.process_incoming():
            if result.reason:
                raise RuntimeError(result.reason)
    if alarms:
        raise RuntimeError(alarms[0])
    url = f"/targets/{codename}/id/stable/{sha256}.{name}"
    return Site(state, url, length, file)
