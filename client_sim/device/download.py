"""Fetches a package in aligned blocks, so that a resumed download reveals only the next block.

In the download folder a package is `SHA256.part`, and `SHA256.blocks` has the decimal number of its
complete blocks. A block's bytes are durable before it is counted; after a crash in between, the
phone fetches that block again. The package becomes `SHA256.zip` after its length and hash were
verified.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from client_sim.device.choose import Offer
from client_sim.device.errors import DownloadError, disk_fails
from client_sim.device.records import RecordStore
from client_sim.device.release import DECIMAL
from client_sim.engine.apply import Progress, has_content
from client_sim.engine.journal import Disk
from client_sim.transport import BLOCK, Connection

# The file names of this module, including the temporary file that a crash can leave.
_OURS: Final = re.compile(r"\.?(?P<sha256>[0-9a-f]{64})\.(?:part|zip|blocks|blocks\.new)")


def package_url(offer: Offer) -> str:
    """Return the path of the package on the server; its file name contains its hash."""
    folder, _, name = offer.path.rpartition("/")
    return f"/targets/{folder}/{offer.sha256}.{name}"


class PackageBlocks:
    """The blocks of a package on a server, for a streaming installation."""

    def __init__(self, connection: Connection, offer: Offer) -> None:
        self.length = offer.length
        self.size = BLOCK
        self._connection = connection
        self._url = package_url(offer)

    def read(self, index: int) -> bytes:
        """Return the whole block number `index`; raises TransportError."""
        return self._connection.get_block(self._url, index * BLOCK, self.length)


class Downloads:
    """The folder of partial and complete packages."""

    def __init__(self, directory: Path, *, disk: Disk | None = None) -> None:
        self._directory = directory
        self._disk = disk or Disk()
        self._counts = RecordStore(directory, disk=disk)

    def fetch(self, connection: Connection, offer: Offer, progress: Progress | None = None) -> Path:
        """Fetch the missing blocks of the package of `offer`, verify it, and return its file.

        Raises TransportError, StorageError, and DownloadError if length or hash are wrong; then the
        package is deleted.
        """
        complete = self._directory / f"{offer.sha256}.zip"
        with disk_fails():
            if not has_content(complete, offer.length, offer.sha256):
                self._fetch_blocks(connection, offer, progress)
                part = self._directory / f"{offer.sha256}.part"
                if not has_content(part, offer.length, offer.sha256):
                    self.forget(offer)
                    raise DownloadError(
                        "The downloaded package is not the signed one and was discarded."
                    )
                self._disk.replace(part, complete)
                self._disk.sync_directory(self._directory)
        return complete

    def forget(self, offer: Offer) -> None:
        """Remove all files of the package of `offer`."""
        self._counts.pop(f"{offer.sha256}.blocks", None)
        with disk_fails():
            for ending in ("part", "zip"):
                path = self._directory / f"{offer.sha256}.{ending}"
                if path.exists():
                    self._disk.remove(path)

    def has(self, offer: Offer) -> bool:
        """Tell whether the folder has the complete package of `offer`."""
        return (self._directory / f"{offer.sha256}.zip").is_file()

    def keep_only(self, offer: Offer) -> None:
        """Remove all files of other packages, whose updates were superseded or stopped."""
        self._remove(lambda sha256: sha256 != offer.sha256)

    def clear(self) -> None:
        """Remove all files of all packages."""
        self._remove(lambda _: True)

    def _remove(self, is_over: Callable[[str], bool]) -> None:
        # The order does not matter: bytes and count are useless without each other.
        with disk_fails():
            for path in self._directory.iterdir():
                ours = _OURS.fullmatch(path.name)
                if ours is not None and is_over(ours["sha256"]):
                    self._disk.remove(path)

    def _fetch_blocks(
        self, connection: Connection, offer: Offer, progress: Progress | None
    ) -> None:
        path = self._directory / f"{offer.sha256}.part"
        if not path.exists():
            self._disk.create(path).close()
        url = package_url(offer)
        with path.open("r+b", buffering=0) as file:
            count = min(self._load_count(offer), path.stat().st_size // BLOCK)
            if progress is not None:
                progress(count * BLOCK, offer.length)
            for first in range(count * BLOCK, offer.length, BLOCK):
                block = connection.get_block(url, first, offer.length)
                self._disk.write_at(file, first, block)
                self._disk.sync(file)
                self._counts[f"{offer.sha256}.blocks"] = str(first // BLOCK + 1).encode()
                if progress is not None:
                    progress(first + len(block), offer.length)

    def _load_count(self, offer: Offer) -> int:
        text = self._counts.get(f"{offer.sha256}.blocks", b"0").decode("latin-1")
        return int(text) if DECIMAL.fullmatch(text) else 0
