"""Accounts and audit log on SQLite and PostgreSQL, each with two connections."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from server.release.auth.accounts import (
    change_account,
    disable_account,
    enable_account,
    list_accounts,
)
from server.release.auth.audit_log import record
from server.release.auth.audit_log_query import (
    AuditLogFilter,
    export_audit_log,
    load_head,
    query_audit_log,
    verify_audit_log,
    verify_export,
)
from server.release.auth.principal import Role
from server.release.auth.tokens import authenticate, list_tokens, page_tokens
from server.release.errors import AuthenticationError, ConflictError
from server.storage.database import open_database
from server.storage.models import AuditLogEntry
from tests.server.release.auth.issue import new_account, new_token, principal

NOW = 1_800_000_000


@pytest.fixture
async def two(place):
    """Yield two sessions factories on one database, as two processes have."""
    async with open_database(place) as one, open_database(place) as other:
        yield one, other


async def write(sessions, number, *, fail=False):
    """Read, then record an entry; fail afterwards if `fail` is set."""
    async with sessions.begin() as session:
        await session.scalar(select(func.max(AuditLogEntry.index)))
        await record(
            session, at=NOW, actor="ani", action="x", subject="x", detail={"number": number}
        )
        if fail:
            raise ZeroDivisionError


async def test_simultaneous_writers_make_one_chain(two):
    """Simultaneous writers, of which some fail, leave one chain without gaps."""
    results = await asyncio.gather(
        *(write(two[number % 2], number, fail=number % 3 == 0) for number in range(12)),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == [
        "ZeroDivisionError" if number % 3 == 0 else "NoneType" for number in range(12)
    ]
    lines = b"".join([part async for part in export_audit_log(two[0])]).splitlines(keepends=True)
    numbers = {number for number in range(12) if b'"number":%d}' % number in b"".join(lines)}
    assert numbers == {number for number in range(12) if number % 3}
    state = verify_export(lines)
    async with two[1]() as session:
        assert await verify_audit_log(session) == state == await load_head(session)
    assert state.length == 8


async def test_verification_while_entries_are_written(two):
    """Verification succeeds while entries are written."""

    async def verify():
        async with two[1]() as session:
            return (await verify_audit_log(session)).length

    lengths = await asyncio.gather(
        *(work for number in range(8) for work in (write(two[0], number), verify()))
    )
    assert all(length <= 8 for length in lengths if length is not None)
    assert await verify() == 8


async def test_two_admins_disable_each_other(two):
    """If two admins disable each other at the same time, only one succeeds."""
    async with two[0].begin() as session:
        for name in ("ani", "budi"):
            await new_account(session, name, at=NOW)

    async def disable(sessions, by, whom):
        async with sessions.begin() as session:
            await list_accounts(session)
            await disable_account(session, principal(by, Role.ADMIN), name=whom, at=NOW)

    results = await asyncio.gather(
        disable(two[0], "ani", "budi"), disable(two[1], "budi", "ani"), return_exceptions=True
    )
    assert sorted(type(result) is ConflictError for result in results) == [False, True]
    async with two[0]() as session:
        assert sum(row.disabled_at is None for row in await list_accounts(session)) == 1


async def test_simultaneous_creation_of_one_account(two):
    """If two admins make the same account at the same time, one gets an error."""

    async def create(sessions):
        async with sessions.begin() as session:
            await new_account(session, "ani", at=NOW)

    results = await asyncio.gather(create(two[0]), create(two[1]), return_exceptions=True)
    assert sorted(type(result) is ConflictError for result in results) == [False, True]


async def test_changes_apply_in_another_process(two, operator):
    """A change made by one process applies to the other's next request."""
    one, other = two

    async def log_in(token):
        async with other() as session:
            return await authenticate(session, token, datetime.fromtimestamp(NOW, UTC))

    async with one.begin() as session:
        for name, role in (("root", Role.ADMIN), ("a-i", Role.ENGINEER), ("a.i", Role.VIEWER)):
            await new_account(session, name, role, at=NOW)
        issued = [
            await new_token(session, "a-i", label=f"ü{number}", at=NOW) for number in range(3)
        ]
    assert (await log_in(issued[0].text)).role is Role.ENGINEER
    async with one.begin() as session:
        await change_account(session, operator, name="a-i", role=Role.APPROVER, at=NOW)
    assert (await log_in(issued[0].text)).role is Role.APPROVER
    async with one.begin() as session:
        await disable_account(session, operator, name="a-i", at=NOW)
        await enable_account(session, operator, name="a-i", at=NOW)
    with pytest.raises(AuthenticationError):
        await log_in(issued[0].text)
    async with other() as session:
        names = [row.name for row in await list_accounts(session)]
        assert set(names) == {"root", "a-i", "a.i"}
        rest = await list_accounts(session, after=names[0], limit=9)
        assert [row.name for row in rest] == names[1:]
        tokens = await list_tokens(session, "a-i")
        assert [row.revoked_at for row in tokens] == [NOW] * 3
        first = min(row.id for row in tokens)
        pages = await page_tokens(session, None, of=operator, after=first, limit=9)
        assert len(pages) == 2
        found = await query_audit_log(session, AuditLogFilter(subject="a-i", action="account"))
        actions = [row.action.partition(".")[2] for row in found]
        assert actions == ["enable", "disable", "change", "create"]
        assert len(await query_audit_log(session, AuditLogFilter(actor="cli:root"), limit=5)) == 5
        assert (await verify_audit_log(session)).length == 9
