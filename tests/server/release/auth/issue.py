"""Principals, and accounts, tokens and audit log in a database, for tests."""

import os

from server.release.auth.accounts import create_account
from server.release.auth.audit_log_query import read_audit_log, verify_audit_log
from server.release.auth.principal import ROLE_PERMISSIONS, Principal, Role, command_line_principal
from server.release.auth.tokens import create_token
from server.storage.database import open_database
from server.storage.models import Account

OPERATOR = command_line_principal("root")


def principal(
    name="ani", role=Role.ENGINEER, codenames=("*",), *, permissions=None, token="", expires_at=None
):
    """Return a principal with all rights of a role, or with `permissions`."""
    held = ROLE_PERMISSIONS[role] if permissions is None else frozenset(permissions)
    return Principal(name, role, held, tuple(codenames), token, expires_at)


async def audit_log(sessions):
    """Verify the audit log, and return its entries, oldest first."""
    async with sessions() as session:
        await verify_audit_log(session)
        return [entry async for entry in read_audit_log(session)]


def account_row(name="ani", role="admin"):
    """Return the row of an account for all codenames, without an audit-log entry."""
    return Account(name=name, role=role, codenames='["*"]\n', created_at=1, disabled_at=None)


async def add_account(sessions, name="ani", role="admin"):
    """Add an account for all codenames, without an audit-log entry."""
    async with sessions.begin() as session:
        session.add(account_row(name, role))


async def new_account(session, name, role=Role.ADMIN, codenames=("*",), *, at, by=OPERATOR):
    """Make an account."""
    made = {"name": name, "role": role, "codenames": codenames, "at": at}
    return await create_account(session, by, **made)


async def new_token(
    session,
    account="ani",
    *,
    at,
    seconds=60,
    label="test",
    by=OPERATOR,
    entropy=os.urandom,
    only=None,
):
    """Make a token that is valid for `seconds`, with all rights or `only` some."""
    times = {"expires_at": at + seconds, "at": at}
    made = {"account": account, "label": label, "permissions": only, **times}
    return await create_token(session, by, entropy, **made)


async def issue_token(services, account, permissions=None, seconds=86_400):
    """Make a token of an account and return its text."""
    how = {"at": services.epoch(), "seconds": seconds, "entropy": services.entropy}
    async with services.sessions.begin() as session:
        return (await new_token(session, account, only=permissions, **how)).text


async def make_token(world, role=Role.ENGINEER):
    """Make an account with a token in the site's database, and return the token's text."""
    async with open_database(world.folder.database) as sessions, sessions.begin() as session:
        session.add(account_row("ani", role))
        await session.flush()
        return (await new_token(session, at=world.epoch(), seconds=3600)).text
