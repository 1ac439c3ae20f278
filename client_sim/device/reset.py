"""The factory reset: removes all records of a phone, and all data of its owner.

The factory's image (`image/`) and the bootloader's state (`slots/`) stay: the running build, the
build in the other slot, and whether that one failed to boot. The progress of an update
(`slots/update/`) is removed: the next package is fetched from its start, as on a new phone.
"""

from pathlib import Path
from typing import Final

from client_sim.device.errors import disk_fails
from client_sim.device.records import lock_folder
from client_sim.engine.journal import Disk

_MARK: Final = "reset"
_WIPED: Final = ("state", "downloads", "personal", "slots/update")


def reset_phone(directory: Path, *, disk: Disk | None = None) -> None:
    """Reset the phone in `directory`; raises StorageError.

    1. Write a mark that a reset has begun. 2. Remove all files of the wiped folders, without
    opening them. 3. Remove the mark. A power cut before the mark is durable leaves the phone
    unchanged; after that `finish_reset` completes the reset. A running poll would write records
    again, so the reset first waits for its end.
    """
    disk = disk or Disk()
    with lock_folder(directory, wait=True), disk_fails():
        with disk.create(directory / _MARK) as file:
            disk.sync(file)
        disk.sync_directory(directory)
        _wipe(directory, disk)


def finish_reset(directory: Path, *, disk: Disk | None = None) -> None:
    """Complete a reset that a power cut interrupted, if there is one; raises StorageError."""
    with disk_fails():
        if (directory / _MARK).is_file():
            _wipe(directory, disk or Disk())


def _wipe(directory: Path, disk: Disk) -> None:
    for name in _WIPED:
        for path in sorted((directory / name).rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                disk.remove(path)
        if (directory / name).is_dir():
            disk.sync_directory(directory / name)
    disk.remove(directory / _MARK)
    disk.sync_directory(directory)
