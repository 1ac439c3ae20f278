"""A cloud on SQLite, or on each database for a test that is marked `on_both`."""

import asyncio
import shutil

import pytest

from server.cloud.law import rounds
from server.cloud.storage import MIGRATIONS
from server.storage.database import migrate, open_database
from server.storage.layout import PostgresAddress
from tests.server.cloud.device import running
from tests.server.cloud.policies import POLICY, keep_policies

ON_POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))
#: For tests about databases, or with statements that no other test executes on PostgreSQL.
on_both = pytest.mark.parametrize("place", ["sqlite", ON_POSTGRESQL], indirect=True)
on_postgresql = pytest.mark.parametrize("place", [ON_POSTGRESQL], indirect=True)


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory):
    """Return an SQLite database with a cloud's tables and policy; tests copy it."""
    file = tmp_path_factory.mktemp("empty") / "cloud.sqlite"
    migrate(file, migrations=MIGRATIONS)
    asyncio.run(keep_policies(file, POLICY))
    return file


@pytest.fixture(scope="session")
def empty_postgresql(postgres):
    """Return a PostgreSQL database with a cloud's tables and policy; tests copy it."""
    address = postgres.make_database()
    migrate(PostgresAddress(address), migrations=MIGRATIONS)
    asyncio.run(keep_policies(PostgresAddress(address), POLICY))
    return address


@pytest.fixture
def place(request, tmp_path):
    """Return file or address of a database with a cloud's tables, on SQLite by default."""
    if getattr(request, "param", "sqlite") == "sqlite":
        empty = request.getfixturevalue("empty_sqlite")
        return shutil.copy2(empty, tmp_path / "hening.sqlite")
    empty = request.getfixturevalue("empty_postgresql")
    return PostgresAddress(request.getfixturevalue("postgres").copy_database(empty))


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let a request wait for the end of its erasure, however busy the machine is."""
    monkeypatch.setattr(rounds, "PATIENCE_SECONDS", None)


@pytest.fixture
async def cloud(place, tmp_path):
    """Yield a cloud with open sign-up."""
    async with running(place, tmp_path, policies=()) as running_cloud:
        yield running_cloud


@pytest.fixture
async def database(cloud, place):
    """Yield the database of a running cloud."""
    del cloud  # the cloud has made the tables
    async with open_database(place, migrations=MIGRATIONS) as sessions:
        yield sessions
