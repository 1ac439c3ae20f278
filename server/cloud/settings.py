"""Settings of the cloud: one frozen object, read once from a TOML file and `HENING_CLOUD_*`.

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
    """Who may make an account."""

    CLOSED = "closed"
    CODE = "code"
    OPEN = "open"


class CloudSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator may set; the defaults serve one machine on loopback.

    `region`: which this cloud is for; it is a part of everything that is sealed, and never changes.
    `database_url`: a PostgreSQL database; empty for a SQLite file in the cloud's folder. It may
    hold a password, so no sentence quotes it.
    `host`, `port`: where owners' devices reach it; port 0 takes any free one. Beyond loopback it
    needs `tls_cert` and `tls_key`, PEM files, or `behind_proxy` where a proxy speaks TLS.
    `blobs_url`: `s3://BUCKET/PREFIX` for larger bodies; empty for the folder `bodies/`.
    `s3_endpoint`, `s3_region`: empty for AWS's endpoint of the region.
    `s3_key_id`, `s3_secret_file`: the key; without one, the machine's own.
    `keep_free`: bytes of the disk that new bodies leave free: the database needs them, and what
    frees room writes to it first.
    `upkeep_minutes`: between two looks for what is to be removed; nodes take turns.
    `revisions_days`, `tombstones_days`: days for which a replaced revision of an item is kept, and
    a deleted item's tombstone, by which a device that was away learns of it.
    `leftover_hours`: hours for which uploads that were not finished are kept, so that they can be.
    `sign_up`: `closed`, `code` (with a code that the operator made) or `open`.
    `policy_key`: the key that signs this region's policies; without one nothing is taken.
    `country`: where this cloud keeps its data, in two capital letters; the policy must allow it.
    `public_url`: where owners reach it, such as `https://cloud.rom.example`: for links to their
    page, and as the name that devices sign when they log in, so that a server of another name
    cannot pass their logins on. Empty: the name that a request used.
    `law_minutes`: between two looks at what the policy's hours and days ask for.
    `closing`: take nothing new, as this region ends; reading, removing and logging in go on.
    `quota`: bytes that an account may keep, 0 for any.
    `session_days`: days without use until a device has to log in again.
    `requests_per_second`: of one account, all its devices and programs together; twenty seconds'
    worth may come in one burst. A program that asks without end leaves room for other owners.
    `logins_per_hour`: wrong attempts for one name; thirty may come in one burst. A password that is
    guessed at this pace is not found; more attempts than these are not an owner's.
    `metrics_port`: metrics, `/healthz` and `/readyz` on loopback; 0 for none.
    `idle_seconds`: how long a connection may be silent: a device computes its key meanwhile, which
    takes longer than servers usually wait.
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
        """Show no value: one of them may be a secret."""
        return "CloudSettings(…)"


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
