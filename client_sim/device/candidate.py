"""Package files that have no release yet, and the proof that one installs."""

import hashlib
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec

from client_sim.device.errors import InstallError, ReleaseError, StorageError
from client_sim.device.release import DECIMAL, Release, decode_release, is_codename
from client_sim.engine.apply import PartitionResult, Progress
from client_sim.engine.errors import EngineError
from client_sim.engine.manifest_checks import Rules
from client_sim.engine.package_metadata import PackageMetadata, decode_metadata
from client_sim.transport import BLOCK

METADATA: Final = "META-INF/com/android/metadata"
PROPERTIES: Final = "payload_properties.txt"
_SMALL_ENTRY: Final = 64 * 1024
# zipfile reads a zip's directory in one piece; a real package's has a few kilobytes.
MAX_DIRECTORY_BYTES: Final = 1024 * 1024
# Errors of zipfile for a malformed zip.
_MALFORMED: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, RuntimeError),
    *(ValueError, OverflowError, MemoryError),
)


def read_text(path: Path, name: str) -> bytes:
    """Return the first 64 KiB and one byte of the entry `name` of the zip at `path`.

    Raises InstallError if there is no such entry, StorageError if the file cannot be read.
    """
    try:
        with _BoundedFile(path) as file:
            return _read_entry(file, name)
    except _MALFORMED:
        raise InstallError(f"{path.name} is not an OTA package with a readable {name}.") from None
    except OSError as error:
        reason = error.strerror or "the disk failed"
        raise StorageError(f"{path.name} cannot be read: {reason}.") from error


def _read_entry(file: "_BoundedFile", name: str) -> bytes:
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo(name)
        # Other methods raise OSError for bad data, which would look like a disk error.
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise zipfile.BadZipFile("another method")
        with archive.open(info) as entry:
            return entry.read(_SMALL_ENTRY + 1)


class _BoundedFile(io.FileIO):
    """A file that refuses offsets outside it, and reads longer than a zip's directory may be."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == os.SEEK_SET and not 0 <= offset <= os.fstat(self.fileno()).st_size:
            raise zipfile.BadZipFile("an offset is outside the file")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is too long")
        return super().read(size) or b""


def read_pairs(path: Path, name: str) -> Mapping[str, str]:
    """Return the lines `key=value` of the entry `name`; raises as `read_text` does."""
    lines = read_text(path, name)[:_SMALL_ENTRY].decode("utf-8", "replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


MAX_REFUSAL: Final = 300
"""Characters of a refusal in a report."""

InstallMode = Literal["stream", "whole"]


@dataclass(frozen=True, slots=True)
class ProvedSource:
    """The build that the phone ran: its fingerprint, and the sha256 of its full package."""

    fingerprint: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of installing a package on a throw-away phone.

    `sha256` and `length` (bytes) are the package's, `certificate` is the sha256 of the DER form of
    the certificate in the phone's image, `prover` the version of this program. `ways` are the
    installations that were tried, in order; `rules` are the groups of rules that the last one
    checked, as the engine recorded them. `refusal` is the reason for a failure. If it is empty,
    `partitions` are the partitions that were written and read back.
    """

    certificate: str
    codename: str
    length: int
    partitions: tuple[PartitionResult, ...]
    prover: str
    refusal: str
    rules: tuple[Rules, ...]
    sha256: str
    source: ProvedSource | None
    ways: tuple[InstallMode, ...]
    schema: Literal[1] = 1


def encode_proof(proof: Proof) -> bytes:
    """Encode a proof as the bytes of its report, canonical JSON."""
    return msgspec.json.encode(proof, order="sorted") + b"\n"


def shorten(text: str, limit: int = 60) -> str:
    """Return one printable line of at most `limit` characters."""
    shown = "".join(each if each.isprintable() else "?" for each in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


_STATED: Final = ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")
_CHUNK: Final = 1024 * 1024


class Candidate:
    """The OTA zip at `path`, open as `file`; it also serves the blocks that phones fetch."""

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
        """Return the package's model; raises InstallError unless it names exactly one."""
        devices = self.metadata.pre_devices
        if len(devices) != 1 or not is_codename(devices[0]):
            raise InstallError(
                f"{self.path.name} does not name exactly one model; give one with --codename."
            )
        return devices[0]

    def state_release(self, codename: str) -> Release:
        """Return a release that describes the package; raises InstallError."""
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
            # Region and channel are not chosen yet, so the path is a placeholder. No message shows
            # it.
            return decode_release(f"{codename}/any/any/package.zip", custom, "its metadata")
        except ReleaseError as error:
            raise InstallError(f"{self.path.name} cannot be released: {error}") from error


@contextmanager
def opened_candidate(path: Path, progress: Progress | None = None) -> Iterator[Candidate]:
    """Open and hash the OTA zip at `path`; `progress` receives the number of bytes hashed.

    Raises InstallError if it is not a file or has no readable metadata.
    """
    # A pipe or a device has no end, and opening a pipe blocks until it has a writer.
    if path.exists() and not path.is_file():
        raise InstallError(f"{shorten(path.name)} is not a regular file; give the OTA zip itself.")
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
    """Return a decimal as a number, and other text unchanged for the release's decoder to refuse.

    That decoder names the member in its error.
    """
    return int(text) if text is not None and DECIMAL.fullmatch(text) else text


def _read_metadata(path: Path) -> PackageMetadata:
    try:
        return decode_metadata(read_text(path, METADATA))
    except EngineError as error:
        raise InstallError(f"{path.name}: {error}") from error
