"""An incoming submission: `bundle.json`, which is one line, and the role files in its order.

Source: docs/FORMATS.md section 6. Memory holds one role file and one piece of a socket at a time,
whatever the size of the submission.
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
from server.storage.room import KEEP_FREE


class Intake:
    """Cuts the bytes of one submission into its parts."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._held = bytearray()

    async def line(self, limit: int) -> bytes:
        """Return the bytes up to the first line feed; raises FormatError beyond `limit`."""
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
        """Return the next `length` bytes; raises FormatError when there are fewer."""
        while len(self._held) < length:
            if not await self._more():
                raise FormatError("the submission ends before the last role file that it names.")
        return self._cut(length)

    async def skip(self, length: int) -> None:
        """Skip `length` bytes, or as many as there are."""
        while length > 0 and (self._held or await self._more()):
            length -= len(self._cut(min(length, len(self._held))))

    async def end(self) -> None:
        """Raise FormatError unless this is the end."""
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
"""Different from the signer's temporary names, whose bundles in progress are left alone."""


@dataclass(frozen=True, slots=True)
class TemporaryBundle:
    """A bundle that does not wait yet; once received, its `receipt` is in the audit log."""

    incoming: Path
    submission: str
    receipt: str

    @property
    def path(self) -> Path:
        """The folder."""
        return self.incoming / f"{PREFIX}{self.submission}-{self.receipt}"

    def remove(self) -> None:
        """Remove it; if that fails, the next sweep does."""
        shutil.rmtree(self.path, ignore_errors=True)


def find_temporary_bundles(incoming: Path) -> list[TemporaryBundle]:
    """Return the bundles that do not wait yet, including those being written."""
    names = [path.name.removeprefix(PREFIX) for path in incoming.glob(f"{PREFIX}*")]
    parts = [name.partition("-") for name in sorted(names)]
    return [TemporaryBundle(incoming, submission, receipt) for submission, _, receipt in parts]


def begin_bundle(temporary: Path) -> None:
    """Make the folder that `write_role` fills."""
    make_folder(temporary / "metadata")


def write_role(temporary: Path, name: str, data: bytes) -> None:
    """Write one role file; on return its bytes survive a power cut."""
    _write(temporary / "metadata" / name, data)


def complete_bundle(temporary: Path, data: bytes) -> None:
    """Write `bundle.json` after the role files; on return all of it survives a power cut."""
    _write(temporary / "bundle.json", data)
    sync_folder(temporary / "metadata")
    sync_folder(temporary)


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(open_created(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


COPIES = 3
"""Files per role file until it is public: in `incoming`, staged, and in its place."""


@dataclass(frozen=True, slots=True)
class SubmissionLimits:
    """`data`: of all role files of one submission; `keep_free`: bytes left on the disk."""

    size: int = 256 << 20
    keep_free: int = KEEP_FREE


def check_size(bundle: Bundle, limits: SubmissionLimits) -> int:
    """Return how many bytes the role files of a bundle have in all.

    Raises FormatError for one over a reader's limit, TooLargeError for too many in all.
    """
    for role in bundle.roles:
        if role.length > metadata_limit(role.name):
            raise FormatError(
                f"{role.name} {role.version} has {role.length} bytes, and readers take"
                f" {metadata_limit(role.name)}: sign one that lists less."
            )
    total = sum(role.length for role in bundle.roles)
    if total > limits.size:
        raise TooLargeError(
            f"the role files have {total} bytes, and {limits.size} are taken at once: make"
            " bundles of fewer roles, or have the operator raise `submission_limit`."
        )
    return total


def check_free(total: int, free: int, limits: SubmissionLimits) -> None:
    """Raise QuotaError unless `total` bytes of role files fit on a disk with `free` bytes."""
    lacking = COPIES * total + limits.keep_free - free
    if lacking > 0:
        raise QuotaError(
            f"the disk has no room for role files of {total} bytes, {lacking} are lacking: have"
            " the operator make room, or lower `keep_free`."
        )
