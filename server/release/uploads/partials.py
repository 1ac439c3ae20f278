"""The interface of what holds the bytes of unfinished uploads.

Two stores implement it. In `partial` an upload is a file of this machine. In `s3_partials` it is
objects in S3, and any control node continues what another one began.
"""

from collections.abc import Sequence
from typing import Protocol

from server.storage.blobs import BlobStore
from server.storage.control_models import Upload


class Partial(Protocol):
    """The bytes of one upload; every method blocks, and all except `open` need it open.

    Each may raise StorageError, and QuotaError where the disk is full; what arrived before is kept.
    """

    @property
    def offset(self) -> int:
        """How many bytes have arrived."""

    def open(self) -> None:
        """Take the upload for one writer; what a crash left is repaired.

        Raises UploadBusyError when another task of this machine has it.
        """

    def close(self) -> None:
        """Let other tasks have it, if it was open."""

    def write(self, data: bytes) -> None:
        """Append bytes. Raises UploadBusyError when another machine appended meanwhile."""

    def begin(self) -> None:
        """Let the bytes from here on count at the next `settle`, and not before."""

    def cut(self, offset: int) -> None:
        """Drop the bytes after `offset`, as far as they do not count yet."""

    def settle(self) -> None:
        """Make every byte count and survive a crash."""

    def adopt(self, blobs: BlobStore, sha256: str, length: int) -> None:
        """Make the bytes a blob, which is verified. Raises FormatError for others than it has."""

    def remove(self) -> None:
        """Remove the bytes."""


class Partials(Protocol):
    """The bytes of all unfinished uploads. Every method except `partial` blocks."""

    def partial(self, upload_id: str) -> Partial:
        """Return an upload's bytes, which `open` opens; its id is one that a row has."""

    def arrived(self, upload_id: str) -> int:
        """Return how many bytes of an upload count, whether or not more are arriving."""

    def reserve(self, waiting: Sequence[Upload]) -> int:
        """Return how many bytes of this machine's disk `waiting` uploads are going to take."""

    def ids(self) -> set[str]:
        """Return the ids of uploads that have bytes."""

    def remove_unheld(self, upload_id: str) -> None:
        """Remove an upload's bytes, unless a task of this machine has it open."""

    def tidy(self) -> None:
        """Remove this machine's temporary files after a crash."""
