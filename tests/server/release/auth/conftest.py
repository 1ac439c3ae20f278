"""Fixtures: a new database, and accounts in it."""

import pytest

from server.release.auth.accounts import create_account
from server.release.auth.principal import Role, command_line_principal
from server.storage.database import open_database

NOW = 1_800_000_000


@pytest.fixture
def database(make_place):
    """Return the place of a new SQLite database."""
    return make_place("sqlite")


@pytest.fixture
async def sessions(database):
    """Yield the sessions of a new database."""
    async with open_database(database) as opened:
        yield opened


@pytest.fixture
def operator():
    """Return the principal of the command line."""
    return command_line_principal("root")


@pytest.fixture
def make(sessions, operator):
    """Return a function that makes an account in its own transaction."""

    async def create(name, role=Role.ENGINEER, *codenames):
        async with sessions.begin() as session:
            return await create_account(
                session, operator, name=name, role=role, codenames=codenames or ("*",), at=NOW
            )

    return create
