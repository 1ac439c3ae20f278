"""Writes submission bundles (docs/FORMATS.md section 6) into the server's `incoming` folder.

A bundle is complete and flushed under `.tmp-ID` before anything else happens, and gets its name by
one rename. A crash before that leaves a `.tmp-ID`, which the server ignores and the next attempt
replaces.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from server.core.bundle import BlobFile, Bundle, RoleFile, encode_bundle
from server.core.names import metadata_name
from signer.durable import make_temporary_folder, move_folder, write_synced
from signer.errors import EnvironmentFailedError, ReleaseRefusal, SignerError, refusing

_BLOCK = 1 << 20

Progress = Callable[[int, int], None]
"""Called with the bytes done and the total number of bytes."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file to submit: its path, its length in bytes and the sha256 it must have."""

    path: Path
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PreparedBundle:
    """A bundle that is complete on disk; `reveal` gives it its name."""

    id: str
    temporary: Path
    path: Path

    def reveal(self) -> None:
        """Rename the bundle to its name; an existing bundle of that name is the same one."""
        if not self.path.exists():
            move_folder(self.temporary, self.path)


def check_incoming(incoming: Path) -> None:
    """Raise EnvironmentFailedError if the folder for bundles does not exist."""
    if not incoming.is_dir():
        raise EnvironmentFailedError(
            f"The folder {incoming} does not exist; make it, or correct --out."
        )


@contextmanager
def prepared_bundle(
    incoming: Path,
    roles: Mapping[tuple[str, int], bytes],
    blobs: Sequence[Blob],
    progress: Progress | None = None,
) -> Iterator[PreparedBundle]:
    """Write a bundle under a temporary name, and remove it unless `reveal` was called.

    `roles` maps role and version to bytes. A blob is hashed while it is copied; ReleaseRefusal is
    raised if the file has changed since it was inspected. It is copied and not linked, because a
    build folder may be written to again.
    """
    bundle_id, data = describe_bundle(roles, blobs)
    check_incoming(incoming)
    path = incoming / bundle_id
    temporary = make_temporary_folder(path)
    try:
        if not path.exists():
            _write(temporary, roles, blobs, progress)
            write_synced(temporary / "bundle.json", data)
        yield PreparedBundle(bundle_id, temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def describe_bundle(
    roles: Mapping[tuple[str, int], bytes], blobs: Sequence[Blob]
) -> tuple[str, bytes]:
    """Return a bundle's id and the bytes of its `bundle.json`."""
    files = [
        RoleFile(name, version, hashlib.sha256(data).hexdigest(), len(data))
        for (name, version), data in sorted(roles.items())
    ]
    sizes = {blob.sha256: blob.length for blob in blobs}
    with refusing(SignerError):
        return encode_bundle(
            Bundle(
                roles=files,
                blobs=[BlobFile(sha256, length) for sha256, length in sorted(sizes.items())],
            )
        )


def _write(
    folder: Path,
    roles: Mapping[tuple[str, int], bytes],
    blobs: Sequence[Blob],
    progress: Progress | None,
) -> None:
    (folder / "metadata").mkdir()
    (folder / "blobs").mkdir()
    for (name, version), data in roles.items():
        write_synced(folder / "metadata" / metadata_name(name, version), data)
    distinct = {blob.sha256: blob for blob in blobs}.values()
    total, done = sum(blob.length for blob in distinct), 0
    for blob in distinct:
        for content in _copy(blob, folder / "blobs" / blob.sha256):
            done += content
            if progress is not None:
                progress(done, total)


def _copy(blob: Blob, target: Path) -> Iterator[int]:
    """Copy `blob`, yielding the number of bytes of each step; refuse a file that has changed."""
    digest, length = hashlib.sha256(), 0
    with blob.path.open("rb") as source, target.open("xb") as copy:
        while block := source.read(_BLOCK):
            digest.update(block)
            length += copy.write(block)
            if length > blob.length:
                break
            yield len(block)
        copy.flush()
        os.fsync(copy.fileno())
    if (length, digest.hexdigest()) != (blob.length, blob.sha256):
        raise ReleaseRefusal(
            f"{blob.path.name} has changed since it was inspected; nothing was signed with it,"
            " so run the command again when the build is done."
        )
