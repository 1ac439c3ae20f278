"""An incoming submission: `bundle.json` in one line, then the role files in the order it lists.

Source: docs/FORMATS.md section 6. Memory holds one role file and one chunk of the request body at a
time, however large the submission is.
"""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from server.core.bundle import Bundle
from server.core.errors import FormatError
from server.core.metadata import metadata_limit
from server.release.errors import QuotaError, TooLargeError
from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, open_created, sync_folder


class Intake:
    """Splits the request body of a submission into its parts."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._held = bytearray()

    async def line(self, limit: int) -> bytes:
        """Return the first line with its line feed; raises FormatError if it exceeds `limit`."""
        while b"\n" not in self._held and len(self._held) < limit:
            if not await self._more():
                break
        length = self._held.find(b"\n") + 1
        if not 0 < length <= limit:
            raise FormatError(
                f"the submission does not begin with bundle.json, one line of at most {limit}"
                " bytes."
            )
        return self._cut(length)

    async def take(self, length: int) -> bytes:
        """Return the next `length` bytes; raises FormatError if there are fewer."""
        while len(self._held) < length:
            if not await self._more():
                raise FormatError("the submission ends before the last role file that it names.")
        return self._cut(length)

    async def skip(self, length: int) -> None:
        """Skip `length` bytes, or as many as there are."""
        while length > 0 and (self._held or await self._more()):
            length -= len(self._cut(min(length, len(self._held))))

    async def end(self) -> None:
        """Raise FormatError if there are more bytes."""
        if self._held or await self._more():
            raise FormatError("the submission holds more than the role files that it names.")

    async def _more(self) -> bool:
        piece = await anext(self._pieces, b"")
        self._held += piece
        return bool(piece)

    def _cut(self, length: int) -> bytes:
        data = bytes(self._held[:length])
        del self._held[:length]
        return data


PREFIX = f"{TEMPORARY}api-"
"""The prefix differs from the signer's, so that its bundles in progress are left alone."""


@dataclass(frozen=True, slots=True)
class TemporaryBundle:
    """A bundle that is not in the inbox yet; once received, its `receipt` is in the audit log."""

    incoming: Path
    submission: str
    receipt: str

    @property
    def path(self) -> Path:
        """The bundle's temporary folder."""
        return self.incoming / f"{PREFIX}{self.submission}-{self.receipt}"

    def begin(self) -> None:
        """Create the folder with an empty `metadata/`."""
        make_folder(self.path / "metadata")

    def write_role(self, name: str, data: bytes) -> None:
        """Write and sync one role file; on return its bytes survive a power failure."""
        _write(self.path / "metadata" / name, data)

    def complete(self, data: bytes) -> None:
        """Write `bundle.json` last and sync the folders; on return all survives a power failure."""
        _write(self.path / "bundle.json", data)
        sync_folder(self.path / "metadata")
        sync_folder(self.path)

    def remove(self) -> None:
        """Remove the folder; what a failure leaves is removed by `Submissions.tidy`."""
        shutil.rmtree(self.path, ignore_errors=True)


def find_temporary_bundles(incoming: Path) -> list[TemporaryBundle]:
    """Return the bundles that are not in the inbox yet, including those being written."""
    names = [path.name.removeprefix(PREFIX) for path in incoming.glob(f"{PREFIX}*")]
    parts = [name.partition("-") for name in sorted(names)]
    return [TemporaryBundle(incoming, submission, receipt) for submission, _, receipt in parts]


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(open_created(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


COPIES = 3
"""Copies of a role file while it is published: in `incoming`, in `staging`, and in `public`."""


def check_size(bundle: Bundle, limit: int) -> int:
    """Return the total size of a bundle's role files in bytes.

    Raises FormatError for a file over the limit of its readers, TooLargeError for a total over
    `limit`.
    """
    for role in bundle.roles:
        if role.length > metadata_limit(role.name):
            raise FormatError(
                f"{role.name} {role.version} has {role.length} bytes, and clients accept at most"
                f" {metadata_limit(role.name)}: sign one that lists less."
            )
    total = sum(role.length for role in bundle.roles)
    if total > limit:
        raise TooLargeError(
            f"the role files have {total} bytes, and a submission may have {limit}: make"
            " bundles of fewer roles, or have the operator raise `submission_limit`."
        )
    return total


def check_free(total: int, free: int, keep_free: int) -> None:
    """Raise QuotaError unless `total` bytes of role files fit on a disk with `free` bytes.

    `keep_free` bytes have to stay free.
    """
    lacking = COPIES * total + keep_free - free
    if lacking > 0:
        raise QuotaError(
            f"the disk has no room for role files of {total} bytes, {lacking} are missing: have"
            " the operator free disk space, or lower `keep_free`."
        )
