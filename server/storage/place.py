"""Where the database is: a SQLite file, or PostgreSQL behind an address."""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from server.core.errors import FormatError


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """The address of a PostgreSQL database, `postgresql://USER@HOST:PORT/DATABASE`.

    `url` may hold a password, so that it appears in no sentence and in no `repr`; `str` gives what
    may be shown. Options that libpq knows may follow as a query. Raises FormatError for another
    form.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        sentence = "database_url is not of the form postgresql://USER@HOST/DATABASE."
        try:
            parts = make_url(self.url)
        except (ArgumentError, ValueError) as error:
            raise FormatError(sentence) from error
        if parts.drivername != "postgresql" or not parts.database:
            raise FormatError(sentence)

    @property
    def has_password(self) -> bool:
        """Whether `url` holds one."""
        parts = make_url(self.url)
        return bool(parts.password or parts.query.get("password"))

    def __str__(self) -> str:
        parts = make_url(self.url)
        host = parts.host or parts.query.get("host") or "localhost"
        return f"{host}:{parts.port or 5432}/{parts.database}"


Place = Path | PostgresAddress
"""A SQLite file or a PostgreSQL database."""
