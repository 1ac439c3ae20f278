"""Settings of the cloud: one frozen object, read once from a TOML file and `HENING_CLOUD_*`."""

from enum import StrEnum
from typing import Annotated

import msgspec

from server.storage.room import KEEP_FREE

DAY = 24 * 60 * 60


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
