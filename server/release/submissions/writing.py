"""Writes a bundle into `incoming` as the signer does: whole under a temporary name, then renamed.

A crash before the rename leaves a folder that is passed over and swept at the next start.
"""

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, sync_folder

PREFIX = f"{TEMPORARY}api-"
"""Not the signer's own temporary names: what is under way there is left alone."""


def write_bundle(temporary: Path, data: bytes, metadata: Mapping[str, bytes]) -> None:
    """Write `bundle.json` and role files; on return they survive a power cut."""
    folder = temporary / "metadata"
    make_folder(folder)
    for name, octets in metadata.items():
        _write(folder / name, octets)
    _write(temporary / "bundle.json", data)
    sync_folder(folder)
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
