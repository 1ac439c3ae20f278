"""A package in a file that no release states yet, and what its release would state of it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from client_sim.device.errors import InstallError, ReleaseError, StorageError
from client_sim.device.names import DECIMAL, is_codename
from client_sim.device.package_texts import METADATA, PROPERTIES, read_pairs, read_text
from client_sim.device.proof_report import shorten
from client_sim.device.release import Release, decode_release
from client_sim.engine.apply import Progress
from client_sim.engine.errors import EngineError
from client_sim.engine.package_metadata import PackageMetadata, decode_metadata
from client_sim.transport import BLOCK

_STATED: Final = ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")
_CHUNK: Final = 1024 * 1024


class Candidate:
    """The OTA zip at `path`, open as `file`; also its blocks, as a phone would fetch them."""

    def __init__(self, path: Path, file: BinaryIO, sha256: str, metadata: PackageMetadata) -> None:
        self.path = path
        self.file = file
        self.sha256 = sha256
        self.metadata = metadata
        self.size = BLOCK
        self._stat = _identify(os.fstat(file.fileno()))
        self.length = os.fstat(file.fileno()).st_size

    def read(self, index: int) -> bytes:
        """Return the whole block number `index`, counted from 0."""
        return os.pread(self.file.fileno(), BLOCK, index * BLOCK)

    def check_unchanged(self) -> None:
        """Check that the file is still the one that was hashed; raises StorageError."""
        if _identify(self.path.stat()) != self._stat:
            raise StorageError(f"{self.path.name} was changed meanwhile; prove it again.")

    def find_codename(self) -> str:
        """Return the only model that the package is for; raises InstallError."""
        devices = self.metadata.pre_devices
        if len(devices) != 1 or not is_codename(devices[0]):
            raise InstallError(
                f"{self.path.name} does not name exactly one model; give one with --codename."
            )
        return devices[0]

    def state_release(self, codename: str) -> Release:
        """Return what a release of the package would state; raises InstallError."""
        values = self.metadata.values
        properties = read_pairs(self.path, PROPERTIES)
        custom = {
            "schema": 1,
            "type": "incremental" if self.metadata.is_incremental else "full",
            "counter": 1,
            "fingerprint": values.get("post-build"),
            "incremental": values.get("post-build-incremental"),
            "post_timestamp": _read_number(values.get("post-timestamp")),
            "security_patch_level": values.get("post-security-patch-level"),
            "sdk_level": _read_number(values.get("post-sdk-level")),
            "source_builds": list(self.metadata.pre_builds),
            "min_counter": 0,
            "property_files": values.get("ota-streaming-property-files", "").rstrip(" "),
            "payload_properties": {name: properties.get(name) for name in _STATED},
            "changelog": {},
            "withdrawn": False,
        }
        try:
            # No region and no channel is chosen yet: the path is made up, and no sentence names it.
            return decode_release(f"{codename}/any/any/package.zip", custom, "its metadata")
        except ReleaseError as error:
            raise InstallError(f"{self.path.name} cannot be released: {error}") from error


@contextmanager
def opened_candidate(path: Path, progress: Progress | None = None) -> Iterator[Candidate]:
    """Open and hash the OTA zip at `path`; `progress` counts the bytes that were hashed.

    Raises InstallError if it is no file or has no readable metadata.
    """
    # A pipe or a device has no end, and opening a pipe waits for its writer.
    if path.exists() and not path.is_file():
        raise InstallError(f"{shorten(path.name)} is no regular file; give the OTA zip itself.")
    with path.open("rb", buffering=0) as file:
        metadata = _read_metadata(path)
        length, digest, done = os.fstat(file.fileno()).st_size, hashlib.sha256(), 0
        buffer = bytearray(_CHUNK)
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
            done += count
            if progress is not None:
                progress(done, length)
        yield Candidate(path, file, digest.hexdigest(), metadata)


def _identify(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _read_number(text: str | None) -> int | str | None:
    """Return a decimal's number; a release refuses anything else by the member's name."""
    return int(text) if text is not None and DECIMAL.fullmatch(text) else text


def _read_metadata(path: Path) -> PackageMetadata:
    try:
        return decode_metadata(read_text(path, METADATA))
    except EngineError as error:
        raise InstallError(f"{path.name}: {error}") from error
