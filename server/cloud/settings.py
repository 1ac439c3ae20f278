"""Settings of the cloud: one frozen object, read once from a TOML file and `HENING_CLOUD_*`.

FOLDER/cloud.toml     region and other settings
FOLDER/cloud.sqlite   the database, unless the settings name a PostgreSQL database
FOLDER/bodies/        larger bodies, unless they are stored in S3
FOLDER/spool/         temporary, unnamed files for uploads to S3
PEPPER                the pepper (`server.cloud.pepper.file`); must not be in a backup of FOLDER
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from server.cloud.pepper.file import Pepper, draw_pepper, write_pepper
from server.core.errors import FormatError
from server.storage.bounded import read_bounded
from server.storage.durable import make_folder, write_durable
from server.storage.errors import StorageError
from server.storage.layout import Place, PostgresAddress
from server.storage.room import KEEP_FREE

DAY = 24 * 60 * 60
PREFIX = "HENING_CLOUD_"
_LIMIT = 65_536


class SignUp(StrEnum):
    """Who may create an account."""

    CLOSED = "closed"
    CODE = "code"
    OPEN = "open"


class CloudSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's settings; the defaults serve one machine on loopback.

    `region`: the region's name; it is bound into every encrypted value and cannot be changed.
    `database_url`: a PostgreSQL database; empty for a SQLite file in the cloud's folder. It may
    contain a password, so error messages do not quote it.
    `host`, `port`: the listening address; port 0 picks a free one. An address other than loopback
    needs `tls_cert` and `tls_key`, PEM files, or `behind_proxy` if a proxy terminates TLS.
    `blobs_url`: `s3://BUCKET/PREFIX` for larger bodies; empty for the folder `bodies/`.
    `s3_endpoint`, `s3_region`: an empty endpoint selects AWS's endpoint of the region.
    `s3_key_id`, `s3_secret_file`: the S3 key; without one, the machine's own credentials.
    `keep_free`: bytes of disk space that new bodies must leave free. The database needs them, even
    to remove data.
    `upkeep_minutes`: interval of the removal of old data; nodes take turns.
    `revisions_days`, `tombstones_days`: days to keep an item's replaced revisions, and the
    tombstone of a deleted item, which tells other devices of the deletion.
    `leftover_hours`: hours to keep unfinished uploads, so that clients can finish them.
    `sign_up`: `closed`, `code` (with a code from the operator) or `open`.
    `policy_key`: the key that signs this region's policies; without it, no uploads are accepted.
    `country`: the country where the data is stored, two capital letters; the policy must allow it.
    `public_url`: the URL that owners use, such as `https://cloud.rom.example`. Links to the owner's
    page use it. Devices sign its host at login, so a server of another name cannot relay their
    logins. If it is empty, the request's host is used.
    `law_minutes`: interval of the tasks that the policy's hours and days require.
    `closing`: accept no new data, as this region shuts down; reads, removals and logins continue.
    `quota`: maximum bytes per account, 0 for no limit.
    `session_days`: days without use after which a device has to log in again.
    `requests_per_second`: limit per account, over all its devices and programs; a burst may be
    twenty seconds' worth. It keeps one busy program from starving other owners.
    `logins_per_hour`: limit of failed logins per name; a burst may be thirty. An owner does not
    need more, and guessing a password at this rate is hopeless.
    `metrics_port`: port on loopback for metrics, `/healthz` and `/readyz`; 0 for none.
    `idle_seconds`: how long a connection may be idle. A device derives its key while it is
    connected, which takes longer than the usual timeouts.
    """

    region: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{1,31}\Z")]
    database_url: str = ""
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8090
    tls_cert: str = ""
    tls_key: str = ""
    behind_proxy: bool = False
    blobs_url: str = ""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_key_id: str = ""
    s3_secret_file: str = ""
    keep_free: Annotated[int, msgspec.Meta(ge=0)] = KEEP_FREE
    upkeep_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 60
    revisions_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 30
    tombstones_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 400
    leftover_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24
    sign_up: SignUp = SignUp.CODE
    policy_key: str = ""
    country: Annotated[str, msgspec.Meta(pattern=r"^(?:[A-Z]{2})?\Z")] = ""
    public_url: Annotated[str, msgspec.Meta(pattern=r"^(?:https?://[^/\s]+)?\Z")] = ""
    law_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 1
    closing: bool = False
    quota: Annotated[int, msgspec.Meta(ge=0)] = 15 << 30
    session_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 400
    requests_per_second: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100
    logins_per_hour: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 60
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    idle_seconds: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 300

    def __repr__(self) -> str:
        """Hide all values, since some may be secrets."""
        return "CloudSettings(…)"


@dataclass(frozen=True, slots=True)
class CloudFolder:
    """The paths in a cloud's folder; none of them has to exist."""

    root: Path

    @property
    def settings(self) -> Path:
        """The settings file; a cloud exists if it does."""
        return self.root / "cloud.toml"

    @property
    def bodies(self) -> Path:
        """The folder for larger bodies."""
        return self.root / "bodies"

    @property
    def spool(self) -> Path:
        """The folder for bodies that are being uploaded to S3."""
        return self.root / "spool"

    def database(self, settings: CloudSettings) -> Place:
        """Return the database's location."""
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
    """Create a cloud for `region` and its pepper; returns the pepper for a copy on paper.

    `chosen` holds further settings. Raises StorageError if the settings or the pepper exist, or if
    the pepper would be inside the folder.
    """
    values = {"region": region, **chosen}
    _convert(values)
    for path in (folder.settings, pepper):
        if os.path.lexists(path):
            raise StorageError(f"{path} already exists; nothing was changed.")
    if pepper.resolve().is_relative_to(folder.root.resolve()):
        raise StorageError(
            f"{pepper} is inside {folder.root}: a copy of that folder would include the pepper."
            " Name a file elsewhere with --pepper."
        )
    created = draw_pepper(entropy)
    write_pepper(pepper, created)
    make_folder(folder.root)
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in values.items()]
    write_durable(folder.settings, "".join(lines).encode())
    return created


def load_cloud_settings(
    folder: CloudFolder, environment: Mapping[str, str], **overrides: str | int | None
) -> CloudSettings:
    """Read cloud.toml, then `HENING_CLOUD_*` variables, then the command line's options.

    Raises StorageError if there is no cloud, FormatError if a setting is malformed.
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
