"""The place of the database: a SQLite file, or a PostgreSQL address."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from server.core.errors import FormatError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

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
        """Whether `url` holds one."""
        parts = self._parts
        return bool(parts.password or parts.query.get("password"))

    @property
    def hosts(self) -> Sequence[tuple[str, int | None]]:
        """Host and port of each machine, where several are named and one of them takes writes.

        Else nothing.
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
        # Without SQLAlchemy, which takes long to import, for commands that open no database.
        from sqlalchemy.engine import make_url  # noqa: PLC0415
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

        try:
            return make_url(self.url)
        except (ArgumentError, ValueError) as error:
            raise FormatError(_FORM) from error


Place = Path | PostgresAddress
"""A SQLite file or a PostgreSQL database."""
