"""Web sessions: how they begin, their rights, and everything that ends them."""

import asyncio
import hashlib
import os

import pytest
from sqlalchemy import select

from server.release.auth import web_sessions
from server.release.auth.accounts import change_account, disable_account, enable_account
from server.release.auth.principal import ROLE_PERMISSIONS, Permission, Role, command_line_principal
from server.release.auth.tokens import revoke_token
from server.release.auth.web_sessions import (
    NewSession,
    Origin,
    begin_session,
    end_session,
    find_session,
    list_sessions,
)
from server.release.errors import AuthenticationError, NotFoundError, PermissionDeniedError
from server.storage.database import open_database
from server.storage.models import WebSession
from tests.server.release.auth.issue import audit_log, new_account, new_token, principal

NOW = 1_800_000_000
HOUR = 3600
DAY = 86_400
READ = Permission.READ


@pytest.fixture(autouse=True)
async def ani(make):
    """Make an engineer for one model."""
    await make("ani", Role.ENGINEER, "armani")


@pytest.fixture
def token(sessions):
    """Return a function that makes a token of ani, by default with all rights for a day."""

    async def make(permissions=None, seconds=DAY):
        async with sessions.begin() as session:
            issued = await new_token(session, only=permissions, seconds=seconds, at=NOW)
        return issued.row.id

    return make


@pytest.fixture
def begin(sessions):
    """Return a function that begins a session."""

    async def act(seconds=0, former="", **origin):
        async with sessions.begin() as session:
            return await begin_session(
                session, os.urandom, Origin("ani", **origin), at=NOW + seconds, former=former
            )

    return act


async def is_open(sessions, begun, seconds=1):
    """Return whether a session's cookie is valid."""
    try:
        await find_session(sessions, begun.secret, NOW + seconds)
    except AuthenticationError:
        return False
    return True


async def change(sessions, work, *arguments, **options):
    """Run `work` in its own transaction."""
    async with sessions.begin() as session:
        return await work(session, *arguments, **options)


async def test_session_has_the_current_rights(sessions, operator, token, begin):
    """A session has the role's current rights, limited by its token.

    The audit log names the session.
    """
    begun, narrow = await begin(token=await token()), await begin(token=await token([READ]))
    who = await find_session(sessions, begun.secret, NOW + 1)
    rights = ROLE_PERMISSIONS[Role.ENGINEER]
    assert (who.name, who.role, who.permissions) == ("ani", Role.ENGINEER, rights)
    assert (who.codenames, who.actor) == (("armani",), f"ani/{begun.row.id}")
    assert (await find_session(sessions, narrow.secret, NOW + 1)).permissions == {READ}
    await change(sessions, change_account, operator, name="ani", role=Role.VIEWER, at=NOW + 2)
    assert (await find_session(sessions, begun.secret, NOW + 3)).permissions == {READ}


async def test_cookie_is_stored_as_a_hash(sessions, token, begin):
    """Of the cookie only a hash is stored, and no repr shows the cookie."""
    begun = await begin(token=await token())
    assert begun.row.secret_sha256 == hashlib.sha256(begun.secret.encode()).hexdigest()
    assert begun.secret not in repr(begun)
    for wrong in ("", begun.row.secret_sha256, begun.secret[:-1], begun.row.id):
        with pytest.raises(AuthenticationError):
            await find_session(sessions, wrong, NOW + 1)


async def test_session_ends_with_its_token(sessions, operator, token, begin):
    """A session ends when its token is revoked or expires."""
    identity = await token(seconds=HOUR)
    begun = await begin(token=identity)
    assert await is_open(sessions, begun, HOUR - 1)
    assert not await is_open(sessions, begun, HOUR)
    await change(sessions, revoke_token, operator, identity=identity, at=NOW + 2)
    assert not await is_open(sessions, begun)
    with pytest.raises(AuthenticationError):
        await begin(token=identity)


async def test_session_ends_when_the_subject_changes(sessions, operator, begin):
    """A session of a login ends when the account's subject changes."""
    with pytest.raises(AuthenticationError):
        await begin(subject="u-1")
    await change(sessions, change_account, operator, name="ani", subject="u-1", at=NOW)
    begun = await begin(subject="u-1")
    assert await is_open(sessions, begun)
    await change(sessions, change_account, operator, name="ani", subject="u-2", at=NOW)
    assert not await is_open(sessions, begun)
    async with sessions() as session:
        assert await list_sessions(session, NOW + 1) == []


async def test_session_ends_with_its_account(sessions, operator, begin):
    """Disabling an account ends its sessions; enabling it does not restore them."""
    await change(sessions, change_account, operator, name="ani", subject="u-1", at=NOW)
    begun = await begin(subject="u-1")
    await change(sessions, disable_account, operator, name="ani", at=NOW + 1)
    assert not await is_open(sessions, begun, 2)
    with pytest.raises(AuthenticationError):
        await begin(2, subject="u-1")
    await change(sessions, enable_account, operator, name="ani", at=NOW + 3)
    assert not await is_open(sessions, begun, 4)


async def test_session_expires(sessions, token, begin):
    """A session ends two hours after its last request, and after twelve hours in any case."""
    begun = await begin(token=await token())
    assert await is_open(sessions, begun, 2 * HOUR - 1)
    assert not await is_open(sessions, begun, 4 * HOUR)
    begun = await begin(token=await token())
    for seconds in range(HOUR, 12 * HOUR, HOUR):
        assert await is_open(sessions, begun, seconds)
    assert await is_open(sessions, begun, 12 * HOUR - 1)
    assert not await is_open(sessions, begun, 12 * HOUR)


async def test_sign_in_ends_the_former_session(sessions, operator, make, token, begin):
    """A new sign-in ends the browser's former session, of any account, and no other."""
    identity = await token()
    former, other = await begin(token=identity), await begin(token=identity)
    again = await begin(1, former=former.secret, token=identity)
    opened = [await is_open(sessions, each, 2) for each in (former, other, again)]
    assert opened == [False, True, True]
    await make("eka", Role.VIEWER, "armani")
    await change(sessions, change_account, operator, name="eka", subject="u-2", at=NOW)
    async with sessions.begin() as session:
        former = await begin_session(session, os.urandom, Origin("eka", subject="u-2"), at=NOW)
    await begin(1, former=former.secret, token=identity)
    assert not await is_open(sessions, former, 2)


async def test_limit_of_open_sessions(sessions, token, begin, monkeypatch):
    """Above the limit, a sign-in ends the oldest session, which the audit log records."""
    monkeypatch.setattr(web_sessions, "LIVE_SESSIONS", 3)
    identity = await token()
    begun = [await begin(seconds, token=identity) for seconds in range(4)]
    opened = [await is_open(sessions, each, 5) for each in begun]
    assert opened == [False, True, True, True]
    (entry,) = [each for each in await audit_log(sessions) if each.action == "session.end"]
    assert begun[0].row.id in entry.detail
    assert entry.actor == f"ani/{begun[3].row.id}"


async def test_limit_of_stored_sessions(sessions, token, begin, monkeypatch):
    """Above the limit, an account's oldest rows are deleted."""
    monkeypatch.setattr(web_sessions, "KEPT_SESSIONS", 3)
    identity = await token()
    begun = [await begin(seconds, token=identity) for seconds in range(5)]
    async with sessions() as session:
        rows = set(await session.scalars(select(WebSession.id)))
    assert rows == {each.row.id for each in begun[2:]}


async def test_time_of_last_use_is_written_seldom(sessions, token, begin):
    """The time of last use is written at most every five minutes."""
    begun = await begin(token=await token())
    for seconds, seen in ((299, 0), (300, 300), (500, 300), (600, 600)):
        assert await is_open(sessions, begun, seconds)
        async with sessions() as session:
            row = await session.get(WebSession, begun.row.id)
            assert row.seen_at == NOW + seen


async def test_who_may_end_a_session(sessions, operator, token, begin):
    """Accounts end their own sessions, admins those of accounts that they manage.

    Other accounts do not learn whether a session exists.
    """

    async def end(who, identity):
        return await change(sessions, end_session, who, identity=identity, at=NOW + 5)

    begun = await begin(token=await token())
    for who in (principal("eve"), principal("eve", Role.ADMIN, ["cancro"])):
        with pytest.raises(PermissionDeniedError):
            await end(who, begun.row.id)
    with pytest.raises(PermissionDeniedError):
        await end(principal("eve"), "s-000000000000")
    with pytest.raises(NotFoundError):
        await end(operator, "s-000000000000")
    assert await is_open(sessions, begun)
    row = await end(principal(codenames=["armani"]), begun.row.id)
    assert row.ended_at == NOW + 5
    assert not await is_open(sessions, begun, 6)
    assert (await end(operator, begun.row.id)).ended_at == NOW + 5
    other = await begin(token=await token())
    assert (await end(principal("ada", Role.ADMIN, ["armani"]), other.row.id)).ended_at


async def test_listing_and_deletion(sessions, token, begin):
    """Open sessions are listed newest first; rows are deleted a month after their end."""
    identity = await token(seconds=60 * DAY)
    first, second = await begin(token=identity), await begin(10, token=identity)
    async with sessions() as session:
        rows = await list_sessions(session, NOW + 20)
        assert [row.id for row in rows] == [second.row.id, first.row.id]
        assert await list_sessions(session, NOW + 20, "another") == []
        assert await list_sessions(session, NOW + 12 * HOUR) == []
    await begin(31 * DAY, token=identity)
    async with sessions() as session:
        assert await session.get(WebSession, first.row.id) is None


async def test_on_both_databases(place):
    """Sessions work on both databases.

    Signing in while the account is disabled leaves no open session.
    """
    async with open_database(place) as one, open_database(place) as other:
        operator = command_line_principal("root")
        async with one.begin() as session:
            for name in ("eka", "ben"):
                await new_account(session, name, Role.VIEWER, at=NOW)
                await change_account(session, operator, name=name, subject=name, at=NOW)

        async def begin(sessions, name):
            async with sessions.begin() as session:
                origin = Origin(name, subject=name)
                return await begin_session(session, os.urandom, origin, at=NOW)

        first, second = await begin(one, "eka"), await begin(other, "eka")
        assert (await find_session(other, first.secret, NOW + HOUR)).name == "eka"
        async with other() as session:
            assert len(await list_sessions(session, NOW + 1)) == 2
        await change(one, end_session, operator, identity=first.row.id, at=NOW + 1)
        assert not await is_open(other, first)
        assert await is_open(other, second)
        given = await asyncio.gather(
            *(begin(one, "ben") for _ in range(3)),
            change(other, disable_account, operator, name="ben", at=NOW),
            *(begin(other, "ben") for _ in range(3)),
            return_exceptions=True,
        )
        begun = [each for each in given if isinstance(each, NewSession)]
        assert not any([await is_open(one, each) for each in begun])
        async with one() as session:
            assert await list_sessions(session, NOW + 1, "ben") == []
