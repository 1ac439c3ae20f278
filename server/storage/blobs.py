"""What a store of blobs does, wherever it keeps them: named by sha256, never changed.

A hash is verified once, when a blob comes in. The device plane is given a `BlobReader` and knows
nothing of the rest. Implementations: `local_blobs`, `s3_blobs`.
"""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from server.storage.modes import PRIVATE

PIECE = 64 * 1024  # octets given in one go: small enough that downloads do not starve polls


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """One blob that is there: its length in octets, and since when, in epoch seconds."""

    sha256: str
    length: int
    time: float


class BlobReader(Protocol):
    """Reads blobs; the only part of a store that the device plane is given."""

    def lengths(self, names: Collection[str]) -> dict[str, int]:
        """Return the length in octets of each of `names` that is there.

        What was there once may be answered from memory. Blocks; raises StorageError.
        """

    def open_file(self, sha256: str, length: int) -> AbstractAsyncContextManager[int | None]:
        """Give the descriptor of a file with a blob's octets, None where no blob is a file.

        Others may use it at the same time: it is read at offsets, never where it stands. Entering
        raises StorageError or OSError where the blob is not there or has another length.
        """

    def open_range(
        self, sha256: str, first: int, length: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give the `length` octets from `first` on, in pieces of at most `PIECE`.

        Entering raises StorageError or OSError where the blob cannot be read, before any piece;
        so does a piece that does not come.
        """


class BlobStore(BlobReader, Protocol):
    """Reads, takes in, lists and removes blobs. Every method blocks and may raise StorageError."""

    def length(self, sha256: str) -> int | None:
        """Return a blob's length in octets as it is now, or None when it is not there."""

    def ingest(self, source: Path, sha256: str, length: int) -> None:
        """Copy `source` in, unless its blob is there already.

        Raises FormatError for other octets than named. A crash leaves what `sweep` removes, never
        a blob under a name that is not its hash.
        """

    def adopt(self, source: Path, sha256: str, length: int) -> None:
        """Do what `ingest` does, where possible by a second name for `source` and without a copy.

        Nobody writes to `source` any more, and it is flushed. Others may adopt and ingest the same
        blob at the same time.
        """

    def verify(self, sha256: str, length: int) -> None:
        """Read a blob again and raise FormatError unless it is what its name says."""

    def copy(
        self, sha256: str, length: int, target: Path, *, mode: int = PRIVATE, link: bool = False
    ) -> None:
        """Write a blob to the file `target` of `mode`, which survives a crash.

        `link` gives the file a second name instead, where blobs are files of the same file system.
        Raises FormatError when the blob is not what its name says.
        """

    def list(self) -> Iterator[StoredBlob]:
        """Yield every blob that is there; what has another name than a sha256 is passed over."""

    def remove(self, sha256: str) -> None:
        """Remove a blob; one that is not there is no error."""

    def free(self) -> int | None:
        """Return how many octets the disk below has free, None where there is no such bound."""

    def sweep(self) -> None:
        """Remove what crashed ingests left, and nothing of those that are under way."""
