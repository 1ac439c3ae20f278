"""Writes a bundle into `incoming` as the signer does: whole under a temporary name, then renamed.

A crash before the rename leaves a folder that is passed over and swept at the next start.
"""

import contextlib
import os
import shutil
from pathlib import Path

from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, sync_folder

PREFIX = f"{TEMPORARY}api-"
"""Not the signer's own temporary names: what is under way there is left alone."""


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


def reveal_bundle(temporary: Path, path: Path) -> None:
    """Give a bundle its name; one that is there already is the same one."""
    with contextlib.suppress(FileExistsError):
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    sync_folder(path.parent)


def sweep_bundles(incoming: Path) -> None:
    """Remove what a crash left; for the start, before anything is submitted."""
    for leftover in incoming.glob(f"{PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _write(path: Path, octets: bytes) -> None:
    with path.open("xb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
