"""Settings of the cloud: one frozen object, read once from a TOML file and `HENING_CLOUD_*`."""

from enum import StrEnum
from typing import Annotated

import msgspec

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
    `host`, `port`: where owners' devices reach it; port 0 takes any free one.
    `sign_up`: `closed`, `code` (with a code that the operator made) or `open`.
    `policy_key`: the key that signs this region's policies; without one nothing is taken.
    `country`: where this cloud keeps its data, in two capital letters; the policy must allow it.
    `public_url`: where owners reach it, such as `https://cloud.rom.example`, for links to their
    page; empty for the name that a request used, without TLS.
    `law_minutes`: between two looks at what the policy's hours and days ask for.
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
    sign_up: SignUp = SignUp.CODE
    policy_key: str = ""
    country: Annotated[str, msgspec.Meta(pattern=r"^(?:[A-Z]{2})?\Z")] = ""
    public_url: Annotated[str, msgspec.Meta(pattern=r"^(?:https?://[^/\s]+)?\Z")] = ""
    law_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 1
    quota: Annotated[int, msgspec.Meta(ge=0)] = 15 << 30
    session_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 400
    requests_per_second: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100
    logins_per_hour: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 60
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    idle_seconds: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 300

    def __repr__(self) -> str:
        """Show no value: one of them may be a secret."""
        return "CloudSettings(…)"
