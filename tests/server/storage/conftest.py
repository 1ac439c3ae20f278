"""A database of either kind."""

import pytest

from server.storage.place import PostgresAddress


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
)
def place(request, tmp_path):
    """Give the place of a database that is not made yet, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path / "hening.sqlite"
    return PostgresAddress(request.getfixturevalue("postgres").make_database())
