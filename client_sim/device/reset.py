"""The factory reset: all that a phone remembers goes, and all that its owner put on it.

What stays is what the factory wrote (`image/`) and what the bootloader keeps (`slots/`): the build
that runs, the one in the other slot, and whether that one failed to start. How far an update has
come (`slots/update/`) goes: the next package is asked for from its start, as by a new phone.
"""

from pathlib import Path
from typing import Final

from client_sim.device.errors import StorageError
from client_sim.device.records import hold_folder
from client_sim.engine.journal import Disk

_MARK: Final = "reset"
_WIPED: Final = ("state", "downloads", "personal", "slots/update")


def reset_phone(directory: Path, *, disk: Disk | None = None) -> None:
    """Reset the phone in `directory`; raises StorageError.

    1. A mark that a reset has begun. 2. All files of the folders that are wiped. 3. The mark goes.
    A power cut before the mark is durable leaves the phone as it was; behind that `finish_reset`
    completes what was begun. Nothing that is removed is opened. It waits for the end of a poll,
    which would write something again.
    """
    with hold_folder(directory, waits=True):
        _reset(directory, disk or Disk())


def _reset(directory: Path, disk: Disk) -> None:
    try:
        with disk.create(directory / _MARK) as file:
            disk.sync(file)
        disk.sync_directory(directory)
        _wipe(directory, disk)
    except OSError as error:
        raise StorageError(f"The phone's disk failed: {error}.") from error


def finish_reset(directory: Path, *, disk: Disk | None = None) -> None:
    """Complete a reset that a power cut interrupted, if there is one; raises StorageError."""
    try:
        if (directory / _MARK).is_file():
            _wipe(directory, disk or Disk())
    except OSError as error:
        raise StorageError(f"The phone's disk failed: {error}.") from error


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
