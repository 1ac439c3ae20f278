"""Trusted metadata in a folder: the newest version of each role under a name without version.

Role names are percent-encoded, so that none leads out of the folder.
"""

from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from client_sim.device.records import RecordStore

_PREFIX: Final = "role."
_SUFFIX: Final = ".json"


class MetadataFolder(RecordStore):
    """The state of a `Workflow`, `role.NAME`, as `NAME.json`."""

    def _path(self, name: str) -> Path | None:
        return self._directory / (quote(name.removeprefix(_PREFIX), safe="") + _SUFFIX)

    def _name(self, file: str) -> str | None:
        return _PREFIX + unquote(file.removesuffix(_SUFFIX)) if file.endswith(_SUFFIX) else None
