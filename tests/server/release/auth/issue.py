"""Rows of accounts, and tokens of the database, for tests that need some."""

import os

from server.release.auth.principal import command_line_principal
from server.release.auth.tokens import create_token
from server.storage.control_models import Account
from server.storage.database import open_database


def account_row(name="ani", role="admin"):
    """Return the row of an account for all codenames, as no command made it."""
    return Account(name=name, role=role, codenames='["*"]\n', created_at=1, disabled_at=None)


async def issue_token(services, account, permissions=None, seconds=86_400):
    """Make a token of an account and return its text."""
    at = services.epoch()
    async with services.sessions.begin() as session:
        issued = await create_token(
            session,
            command_line_principal("root"),
            services.entropy,
            account=account,
            label="test",
            permissions=permissions,
            expires_at=at + seconds,
            at=at,
        )
    return issued.text


async def make_token(world):
    """Make an engineer's token in the site's database."""
    async with open_database(world.folder.database) as sessions, sessions.begin() as session:
        session.add(account_row("ani", "engineer"))
        await session.flush()
        issued = await create_token(
            session,
            command_line_principal("root"),
            os.urandom,
            account="ani",
            label="test",
            permissions=None,
            expires_at=world.epoch() + 3600,
            at=world.epoch(),
        )
    return issued.text
