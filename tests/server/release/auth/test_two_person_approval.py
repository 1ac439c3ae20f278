"""Two-person approval: two accounts that one person controls count as one person."""

import pytest

from server.release.auth.accounts import (
    change_account,
    disable_account,
    enable_account,
)
from server.release.auth.principal import ROLE_PERMISSIONS, Principal, Role
from server.release.auth.two_person_approval import check_approver, find_controllers
from server.release.errors import PermissionDeniedError
from tests.cases import case
from tests.server.release.auth.issue import new_account, new_token

NOW = 1_800_000_000


def person(name, role=Role.ADMIN, token="0123456789ab"):
    """Return a principal with all rights of a role, with a token."""
    return Principal(name, role, ROLE_PERMISSIONS[role], ("*",), token)


@pytest.fixture
def have(sessions, operator):
    """Return a function by which one account gains control of another."""

    async def lay(by, deed, name):
        async with sessions.begin() as session:
            if deed == "made":
                await new_account(session, name, by=by, at=NOW)
            elif deed == "widened":
                await change_account(session, by, name=name, role=Role.ADMIN, at=NOW)
            elif deed == "named a login":
                await change_account(session, by, name=name, subject="248289761001", at=NOW)
            elif deed == "disabled":
                await disable_account(session, by, name=name, at=NOW)
            elif deed == "enabled":
                await disable_account(session, operator, name=name, at=NOW)
                await enable_account(session, by, name=name, at=NOW)
            else:
                await new_token(session, name, by=by, at=NOW)

    return lay


async def check(sessions, principal, proposer):
    """Check that `principal` may approve a change of `proposer`."""
    async with sessions() as session:
        await check_approver(session, principal, proposer)


async def test_no_account_approves_its_own_change(sessions):
    """No account approves its own change, with whatever token.

    Another account needs the right to approve.
    """
    for role in Role:
        if role in {Role.APPROVER, Role.ADMIN}:
            await check(sessions, person("ani", role), "budi")
            for token in ("0123456789ab", "login", ""):
                with pytest.raises(PermissionDeniedError, match="ani proposed this change"):
                    await check(sessions, person("ani", role, token), "ani")
        else:
            with pytest.raises(PermissionDeniedError, match="not allowed to approve"):
                await check(sessions, person("ani", role), "budi")


async def test_a_puppet_is_no_second_person(sessions, make, have):
    """An account cannot approve changes of an account that controls it, nor the reverse."""
    for deed in ("made", "widened", "named a login", "enabled", "gave a token"):
        ben = f"ben-{deed.partition(' ')[0]}"
        if deed != "made":
            await make(ben, Role.APPROVER)
            await check(sessions, person(ben), "adm")
        await have(person("adm"), deed, ben)
        for approver, proposer in ((ben, "adm"), ("adm", ben)):
            sentence = f"account {ben} is controlled by adm"
            with case(deed), pytest.raises(PermissionDeniedError, match=sentence):
                await check(sessions, person(approver), proposer)
            await check(sessions, person("ari"), proposer)


async def test_a_puppet_of_a_puppet_is_none_either(sessions, have):
    """Control is transitive: an account's controllers include those of its controllers."""
    await have(person("adm"), "made", "ben")
    await have(person("ben"), "made", "cid")
    await have(person("adm"), "made", "dan")
    await have(person("cid"), "gave a token", "cid")
    async with sessions() as session:
        assert await find_controllers(session, "cid") == {"adm", "ben"}
        assert await find_controllers(session, "adm") == set()
    with pytest.raises(PermissionDeniedError, match="the account cid is controlled by adm"):
        await check(sessions, person("cid"), "adm")
    await check(sessions, person("dan"), "ben")


async def test_the_command_line_is_no_person(sessions, make, have, operator):
    """The command line controls no account."""
    await make("ben", Role.APPROVER)
    await have(operator, "gave a token", "ben")
    await check(sessions, person("ben"), operator.name)
    await check(sessions, operator, "ben")


async def test_disabling_ends_every_hand(sessions, make, have, operator):
    """Disabling ends the control of others; the account that enables it gains control."""
    await make("root", Role.ADMIN)
    await make("ben")
    await have(person("adm"), "widened", "ben")
    await have(person("adm"), "gave a token", "ben")
    await have(operator, "enabled", "ben")
    await check(sessions, person("ben"), "adm")
    await have(person("adm"), "enabled", "ben")
    with pytest.raises(PermissionDeniedError, match="a third account has to approve"):
        await check(sessions, person("ben"), "adm")


async def test_a_login_outlives_the_account_being_disabled(sessions, operator, have):
    """Control by setting a login survives disabling, until another account sets the login."""
    ani, budi = person("ani"), person("budi")
    await have(operator, "made", "ani")
    await have(operator, "made", "budi")
    await have(operator, "made", "puppet")
    await have(ani, "named a login", "puppet")
    await have(budi, "disabled", "puppet")
    async with sessions.begin() as session:
        await enable_account(session, budi, name="puppet", at=NOW)
    async with sessions() as session:
        assert await find_controllers(session, "puppet") == {"ani", "budi"}
    with pytest.raises(PermissionDeniedError, match="controlled by ani"):
        await check(sessions, person("puppet"), "ani")
    async with sessions.begin() as session:
        await change_account(session, operator, name="puppet", subject="another", at=NOW)
    await have(operator, "disabled", "puppet")
    async with sessions() as session:
        assert await find_controllers(session, "puppet") == set()
