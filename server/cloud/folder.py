"""The folder of a cloud, and the file of its pepper, which lies elsewhere.

FOLDER/cloud.toml     region, and settings
FOLDER/cloud.sqlite   the database, unless the settings name another one
FOLDER/bodies/        larger bodies, unless they lie in S3
FOLDER/spool/         bodies on their way to S3, in files without a name
PEPPER                the pepper (`server.cloud.pepper.file`); never a part of a back-up of FOLDER
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from server.cloud.pepper.file import Pepper, draw_pepper, write_pepper
from server.cloud.settings import CloudSettings
from server.core.errors import FormatError
from server.storage.bounded import read_bounded
from server.storage.durable import make_folder, write_durable
from server.storage.errors import StorageError
from server.storage.place import Place, PostgresAddress

PREFIX = "HENING_CLOUD_"
_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class CloudFolder:
    """Where a cloud keeps things; nothing of it need be there."""

    root: Path

    @property
    def settings(self) -> Path:
        """The settings, which say that there is a cloud."""
        return self.root / "cloud.toml"

    @property
    def bodies(self) -> Path:
        """The folder of larger bodies."""
        return self.root / "bodies"

    @property
    def spool(self) -> Path:
        """The folder in which bodies wait for S3."""
        return self.root / "spool"

    def database(self, settings: CloudSettings) -> Place:
        """Return where the database is."""
        if settings.database_url:
            return PostgresAddress(settings.database_url)
        return self.root / "cloud.sqlite"


def make_cloud(
    folder: CloudFolder,
    pepper: Path,
    region: str,
    entropy: Callable[[int], bytes],
    **chosen: str,
) -> Pepper:
    """Make a cloud for `region` and its pepper; returns the pepper, to be kept on paper.

    `chosen` are further settings. Raises StorageError where either is there already, or the pepper
    would lie in the folder.
    """
    values = {"region": region, **chosen}
    _convert(values)
    for path in (folder.settings, pepper):
        if os.path.lexists(path):
            raise StorageError(f"{path} is there already; nothing was changed.")
    if pepper.resolve().is_relative_to(folder.root.resolve()):
        raise StorageError(
            f"{pepper} is inside {folder.root}: a copy of that folder would hold the pepper, too."
            " Name a file elsewhere with --pepper."
        )
    drawn = draw_pepper(entropy)
    write_pepper(pepper, drawn)
    make_folder(folder.root)
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in values.items()]
    write_durable(folder.settings, "".join(lines).encode())
    return drawn


def load_cloud_settings(
    folder: CloudFolder, environment: Mapping[str, str], **overrides: str | int | None
) -> CloudSettings:
    """Read cloud.toml, then `HENING_CLOUD_*` variables, then the command line's options.

    Raises StorageError where there is no cloud, FormatError for what is malformed.
    """
    if not folder.settings.exists():
        raise StorageError(
            f"there is no cloud in {folder.root}: make one with `hening-server cloud init`."
        )
    try:
        values = msgspec.toml.decode(read_bounded(folder.settings, _LIMIT))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{folder.settings} is malformed: {error}.") from error
    values |= {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    return _convert(values | {name: each for name, each in overrides.items() if each is not None})


def _convert(values: Mapping[str, object]) -> CloudSettings:
    try:
        return msgspec.convert(values, CloudSettings, strict=False)
    except msgspec.ValidationError as error:
        raise FormatError(f"the cloud's settings are malformed: {error}.") from error
