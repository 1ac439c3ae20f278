"""Trusted metadata in a folder: the newest version of each role under a name without version.

Role names are percent-encoded, so that none leads out of the folder.
"""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from client_sim.device.errors import StorageError
from client_sim.device.records import VALUE_LIMIT, replace_file

_PREFIX: Final = "role."
_SUFFIX: Final = ".json"


class MetadataFolder(MutableMapping[str, bytes]):
    """The state of a `Workflow`, `role.NAME`, as `NAME.json`; a disk error is StorageError.

    A crash leaves the old file or the new one, and perhaps one that starts with a dot.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The metadata folder cannot be used: {error}.") from error

    def __getitem__(self, name: str) -> bytes:
        try:
            with self._path(name).open("rb") as file:
                data = file.read(VALUE_LIMIT + 1)
        except FileNotFoundError:
            raise KeyError(name) from None
        except OSError as error:
            raise StorageError(f"The metadata cannot be read: {error}.") from error
        if len(data) > VALUE_LIMIT:
            raise StorageError(f"{self._path(name)} is longer than any metadata.")
        return data

    def __setitem__(self, name: str, value: bytes) -> None:
        try:
            replace_file(self._path(name), value)
        except OSError as error:
            raise StorageError(f"The metadata cannot be stored: {error}.") from error

    def __delitem__(self, name: str) -> None:
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise KeyError(name) from None
        except OSError as error:
            raise StorageError(f"The metadata cannot be removed: {error}.") from error

    def __iter__(self) -> Iterator[str]:
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            yield _PREFIX + unquote(path.name.removesuffix(_SUFFIX))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, name: str) -> Path:
        return self._directory / (quote(name.removeprefix(_PREFIX), safe="") + _SUFFIX)
