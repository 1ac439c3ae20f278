"""Writes a bundle into `incoming` as the signer does: whole under a temporary name, then renamed.

A crash before the rename leaves a folder that is passed over until somebody knows what it is.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, sync_folder
from server.storage.modes import open_created

PREFIX = f"{TEMPORARY}api-"
"""Not the signer's own temporary names: what is under way there is left alone."""


@dataclass(frozen=True, slots=True)
class Nameless:
    """A bundle that has no name yet; its `receipt` stands in the trail once it was received."""

    incoming: Path
    submission: str
    receipt: str

    @property
    def path(self) -> Path:
        """The folder."""
        return self.incoming / f"{PREFIX}{self.submission}-{self.receipt}"

    def reveal(self) -> None:
        """Give it its name; where the same bundle waits already it is not needed."""
        target = self.incoming / self.submission
        if target.is_dir():
            self.remove()
        else:
            self.path.rename(target)
        sync_folder(self.incoming)

    def remove(self) -> None:
        """Remove it; what cannot be removed now is removed the next time."""
        shutil.rmtree(self.path, ignore_errors=True)


def find_nameless(incoming: Path) -> list[Nameless]:
    """Return the bundles without a name, also such as are being written."""
    names = [path.name.removeprefix(PREFIX) for path in incoming.glob(f"{PREFIX}*")]
    parts = [name.partition("-") for name in sorted(names)]
    return [Nameless(incoming, submission, receipt) for submission, _, receipt in parts]


def begin_bundle(temporary: Path) -> None:
    """Make the folder that `write_role` fills."""
    make_folder(temporary / "metadata")


def write_role(temporary: Path, name: str, octets: bytes) -> None:
    """Write one role file; on return its octets survive a power cut."""
    _write(temporary / "metadata" / name, octets)


def complete_bundle(temporary: Path, data: bytes) -> None:
    """Write `bundle.json` after the role files; on return all of it survives a power cut."""
    _write(temporary / "bundle.json", data)
    sync_folder(temporary / "metadata")
    sync_folder(temporary)


def _write(path: Path, octets: bytes) -> None:
    with os.fdopen(open_created(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
