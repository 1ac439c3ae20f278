"""Settings: one frozen object, read at the start from a TOML file and `HENING_*` variables.

The caller passes the environment. Unknown keys are errors.
"""

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from server.compat.options import CompatOptions, check_options
from server.core.errors import FormatError
from server.http.requests import GateMode
from server.places import VARIABLES
from server.storage.room import KEEP_FREE

PREFIX = "HENING_"
Glob = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9_*?-]{1,80}/[a-z0-9*?-]{1,40}/[a-z0-9*?-]{1,40}\Z")
]
Bytes = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class Node(enum.StrEnum):
    """The part of a site's work that one process does."""

    ALL = "all"
    DEVICE = "device"
    CONTROL = "control"
    PUBLISHER = "publisher"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of an operator; the defaults serve one machine on loopback.

    `host`, `port`: where the device plane listens; port 0 is any free port.
    `workers`: processes that serve phones; with 0 the main process does. `socket`: path of a Unix
    socket for a proxy on this machine, served in addition to the port. `tls_cert`, `tls_key`: PEM
    files of the device plane's TLS, read again at SIGHUP.
    `gate`: `direct`, `edge` (for a cache that adds headers) or `strict` (phones only).
    `public_url`: where phones reach this server; published files are read back from there.
    `metrics_port`: port of the Prometheus metrics on loopback; 0 for none.
    `api_host`, `api_port`: where the control plane listens; without a port it does not listen, and
    port 0 is any free port. `api_cert`, `api_key`: PEM files of its TLS, required beyond loopback,
    unless `api_behind_proxy` says that a proxy terminates TLS. `api_rate`: requests per second of
    one token; an account has twice as many. `api_connections`: connections of the control plane.
    `refusals_per_second`: refusals, and answers to requests without a token, that are sent without
    delay, for all clients together; the control plane and the urgent listener each have this limit.
    `sign_ins_per_hour`: sign-ins of one account to the console, a sixth of them in a burst.
    `changes_per_hour`: changes of one account over the API and in the console, likewise.
    `rewordings_per_day`: halts and pauses of one account in 24 hours. Beyond it, a repeated halt or
    pause is answered, but its new reason and note are dropped.
    `idempotency_keys`: keyed requests of one account that are remembered, for a day each.
    `urgent_port`, `urgent_socket`: a port on `api_host`, and the path of a Unix socket for a proxy
    on this machine, that answer only urgent operations (halt, pause, cancel). Without them only
    commands on this machine reach the listener. `urgent_connections`: connections there, a quarter
    of them without a valid token.
    `webhook_private`: webhooks may go to private addresses and over plain HTTP.
    `blob_quota`: bytes of all blobs together, 0 for no limit; `keep_free`: bytes that bundles and
    uploads leave free on the disk.
    `upload_limit`: bytes of one upload; `uploads_per_account`, `uploads_in_all`: numbers of
    unfinished uploads; `upload_account_octets`: bytes of one account's unfinished uploads together;
    `upload_hours`: how long an upload waits for its next part. `submission_limit`: bytes of the
    role files of one submission.
    `blobs_url`: `s3://BUCKET/PREFIX`; empty for the folder `blobs/` of the state.
    `tree_url`: `s3://BUCKET/PREFIX` of the tree that several machines share besides blobs and
    database: the published files, and unfinished submissions and uploads; empty for the state
    folder.
    `node`: the work of this process: `all`, `device` (serves phones, with only `tree_url` and a
    pinned root), `control` (API and console) or `publisher`.
    `s3_endpoint`, `s3_region`: an empty endpoint is that of AWS in the region.
    `s3_key_id`, `s3_secret` or `s3_secret_file`: the key; by default that of the machine.
    `keys_socket`: path of the Unix socket of `hening-server keys serve`, the process that then has
    the online keys; empty for keys in the state folder, without a second process.
    `database_url`: a PostgreSQL database; empty for a SQLite file in the state folder. It may hold
    a password, so no message quotes it.
    `approval_channels`: patterns such as `*/*/stable`; changes that admit phones there need
    two-person approval. In the variable, commas separate them.
    `oidc_issuer`, `oidc_audience`: the OpenID provider whose ID tokens are accepted, and their
    required audience. `oidc_client_secret_file`: a file of mode 0600 with the console's client
    secret at the provider; empty for a public client.
    `console`: pages for people on the control plane's socket. `console_url`: where browsers find
    them, `https://HOST`; empty for loopback.
    `compat`: the table `[compat]` of the file, for the dialects of existing Updater apps.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    workers: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    socket: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    gate: GateMode = GateMode.DIRECT
    public_url: str = ""
    metrics_port: Port = 0
    api_host: str = "127.0.0.1"
    api_port: Port | None = None
    api_cert: str = ""
    api_key: str = ""
    api_behind_proxy: bool = False
    api_rate: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 50
    api_connections: Count = 1024
    refusals_per_second: Count = 50
    sign_ins_per_hour: Count = 60
    changes_per_hour: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 3600
    rewordings_per_day: Count = 1000
    idempotency_keys: Count = 5000
    urgent_port: Port | None = None
    urgent_socket: str = ""
    urgent_connections: Annotated[int, msgspec.Meta(ge=4, le=100_000)] = 4096
    webhook_private: bool = False
    blob_quota: Bytes = 0
    keep_free: Bytes = KEEP_FREE
    upload_limit: Bytes = 16 << 30
    uploads_per_account: Count = 16
    uploads_in_all: Count = 64
    upload_account_octets: Bytes = 64 << 30
    upload_hours: Count = 24
    submission_limit: Bytes = 256 << 20
    blobs_url: str = ""
    tree_url: str = ""
    node: Node = Node.ALL
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_key_id: str = ""
    s3_secret: str = ""
    s3_secret_file: str = ""
    keys_socket: str = ""
    database_url: str = ""
    approval_channels: Annotated[tuple[Glob, ...], msgspec.Meta(max_length=1000)] = ()
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_client_secret_file: str = ""
    console: bool = False
    console_url: str = ""
    compat: CompatOptions = CompatOptions()

    def __repr__(self) -> str:
        """Show no value, because some are secrets."""
        return "Settings(…)"


def load_settings(
    file: Path | None, environment: Mapping[str, str], **overrides: str | int | bool | None
) -> Settings:
    """Read settings from `file`, then `HENING_*` variables, then options; later values win.

    Raises FormatError, which names the unknown or malformed key.
    """
    values: dict[str, Any] = {}
    try:
        if file is not None:
            values |= msgspec.toml.decode(file.read_bytes())
        values |= {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX)
            and not name.startswith(("HENING_SIGNER_", "HENING_SAMPLES"))
            and name not in VARIABLES.values()
        }
        values |= {name: value for name, value in overrides.items() if value is not None}
        if isinstance(patterns := values.get("approval_channels"), str):
            values["approval_channels"] = [each.strip() for each in patterns.split(",") if each]
        settings = msgspec.convert(values, Settings, strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise FormatError(f"the settings are malformed: {error}.") from error
    check_options(settings.compat)
    _check_site(settings)
    return settings


def _check_site(settings: Settings) -> None:
    """Raise FormatError if settings are missing that the node or a shared tree needs."""
    needed = ["blobs_url"] if settings.node is Node.DEVICE else ["database_url", "blobs_url"]
    lacking = [name for name in needed if not getattr(settings, name)]
    if settings.tree_url and lacking:
        raise FormatError(
            f"tree_url is set without {' and '.join(lacking)}: machines that share a tree share"
            " database and blobs, too, so set all three, or none of them for one machine."
        )
    if settings.node is Node.DEVICE:
        if not settings.tree_url:
            raise FormatError("a device node has no state of its own: set tree_url, too.")
        if settings.api_port is not None or settings.console:
            raise FormatError("a device node has no control plane: leave out api_port and console.")
    if settings.node in {Node.CONTROL, Node.PUBLISHER} and not settings.tree_url:
        raise FormatError(f"a {settings.node} node shares a site with others: set tree_url, too.")
    if settings.node is Node.CONTROL and settings.api_port is None:
        raise FormatError("a control node listens on api_port: set it, too.")
    if settings.node in {Node.CONTROL, Node.PUBLISHER} and not settings.public_url:
        raise FormatError(
            f"a {settings.node} node reads back what it published, from where phones ask: set"
            " public_url, too."
        )
