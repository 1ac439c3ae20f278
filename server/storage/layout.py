"""The layout of a server's state folder, and the place of a database: SQLite or PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from server.core.errors import FormatError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from server.storage.s3_client import S3Place

_FORM = "database_url is not of the form postgresql://USER@HOST/DATABASE."


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """The address of a PostgreSQL database, `postgresql://USER@HOST:PORT/DATABASE`.

    `url` may hold a password, so it is in no message and in no `repr`; `str` omits it. Options that
    libpq knows may follow as a query. Raises FormatError for another form.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        parts = self._parts
        if parts.drivername != "postgresql" or not parts.database:
            raise FormatError(_FORM)

    @property
    def has_password(self) -> bool:
        """Whether `url` holds a password."""
        parts = self._parts
        return bool(parts.password or parts.query.get("password"))

    @property
    def hosts(self) -> Sequence[tuple[str, int | None]]:
        """Host and port of each machine of a cluster, one of which accepts writes.

        Empty unless `url` names several hosts and has `target_session_attrs=read-write`.
        """
        parts = self._parts
        names = (parts.host or "").split(",")
        if len(names) < 2 or parts.query.get("target_session_attrs") != "read-write":
            return []
        return [*((name, None) for name in names[:-1]), (names[-1], parts.port)]

    def __str__(self) -> str:
        parts = self._parts
        host = parts.host or parts.query.get("host") or "localhost"
        return f"{host}:{parts.port or 5432}/{parts.database}"

    @property
    def _parts(self) -> "URL":
        # Imported here: SQLAlchemy takes long to import, and many commands open no database.
        from sqlalchemy.engine import make_url  # noqa: PLC0415
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

        try:
            return make_url(self.url)
        except (ArgumentError, ValueError) as error:
            raise FormatError(_FORM) from error


Place = Path | PostgresAddress
"""A SQLite file or a PostgreSQL database."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder given as `--state`: keys, trust, submissions, blobs, database and public tree.

    `database_url` and `keys_socket` are the settings; empty for the SQLite file and the keys in the
    folder. `tree` is the place in S3 where several machines share the public tree; None if only
    this folder has it.
    """

    root: Path
    database_url: str = field(default="", repr=False)
    keys_socket: str = ""
    tree: "S3Place | None" = None

    @property
    def settings(self) -> Path:
        """Settings that every command reads, if the operator wrote the file."""
        return self.root / "settings.toml"

    @property
    def keys(self) -> Path:
        """Online private keys, 0600, and `public.json` with their public halves.

        With a key process only `public.json` is here.
        """
        return self.root / "keys"

    @property
    def trusted_root(self) -> Path:
        """The root that the operator pinned; every later root is reached from it by signatures."""
        return self.root / "trusted" / "root.json"

    @property
    def incoming(self) -> Path:
        """Waiting submission bundles, one folder each, named by their id."""
        return self.root / "incoming"

    @property
    def fetched(self) -> Path:
        """Copies of bundles that wait in S3, `RECEIPT/ID/` each; can be removed at any time."""
        return self.root / "fetched"

    @property
    def results(self) -> Path:
        """The results of submissions, `ID.json` each."""
        return self.root / "results"

    @property
    def uploads(self) -> Path:
        """Bytes of unfinished uploads, one file each, named by the upload's id."""
        return self.root / "uploads"

    @property
    def blobs(self) -> Path:
        """Packages and content by sha256."""
        return self.root / "blobs"

    @property
    def staging(self) -> Path:
        """The one publication in progress, complete once it has this name."""
        return self.root / "staging" / "publication"

    @property
    def public(self) -> Path:
        """The public files: `metadata/` and `log/`; a copy if `tree` is set."""
        return self.root / "public"

    @property
    def good(self) -> Path:
        """The pointers of the last tree that was verified, on a node that serves from a copy."""
        return self.root / "good"

    @property
    def database(self) -> Place:
        """The place of the database. Raises FormatError for a malformed `database_url`."""
        return PostgresAddress(self.database_url) if self.database_url else self.sqlite

    @property
    def sqlite(self) -> Path:
        """The SQLite file, unless another database is set."""
        return self.root / "hening.sqlite"

    @property
    def clock(self) -> Path:
        """Records whether the machine's clock is doubted, and when an operator confirmed it."""
        return self.root / "clock.json"

    @property
    def run(self) -> Path:
        """Files that exist only while a server runs."""
        return self.root / "run"

    @property
    def urgent(self) -> Path:
        """The Unix socket for urgent requests to a running server, such as a halt."""
        return self.run / "urgent.sock"

    @property
    def incomplete(self) -> Path:
        """Exists while this is an incomplete backup."""
        return self.root / "INCOMPLETE"

    @property
    def lock(self) -> Path:
        """The file whose lock the one active publisher holds."""
        return self.root / "publisher.lock"
