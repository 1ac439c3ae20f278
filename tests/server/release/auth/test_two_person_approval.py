"""Two-person approval: two accounts that one person controls count as one person."""

import pytest

from server.release.auth.accounts import change_account, disable_account, enable_account
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
def act(sessions, operator):
    """Return a function with which one account acts on another."""

    async def perform(by, action, name):
        async with sessions.begin() as session:
            if action == "created":
                await new_account(session, name, by=by, at=NOW)
            elif action == "changed":
                await change_account(session, by, name=name, role=Role.ADMIN, at=NOW)
            elif action == "set login":
                await change_account(session, by, name=name, subject="248289761001", at=NOW)
            elif action == "disabled":
                await disable_account(session, by, name=name, at=NOW)
            elif action == "enabled":
                await disable_account(session, operator, name=name, at=NOW)
                await enable_account(session, by, name=name, at=NOW)
            else:
                await new_token(session, name, by=by, at=NOW)

    return perform


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


async def test_controlled_account_cannot_approve(sessions, make, act):
    """An account cannot approve changes of an account that controls it, nor the reverse."""
    for action in ("created", "changed", "set login", "enabled", "issued token"):
        ben = f"ben-{action.partition(' ')[0]}"
        if action != "created":
            await make(ben, Role.APPROVER)
            await check(sessions, person(ben), "adm")
        await act(person("adm"), action, ben)
        for approver, proposer in ((ben, "adm"), ("adm", ben)):
            sentence = f"account {ben} is controlled by adm"
            with case(action), pytest.raises(PermissionDeniedError, match=sentence):
                await check(sessions, person(approver), proposer)
            await check(sessions, person("ari"), proposer)


async def test_control_is_transitive(sessions, act):
    """Control is transitive: an account's controllers include those of its controllers."""
    await act(person("adm"), "created", "ben")
    await act(person("ben"), "created", "cid")
    await act(person("adm"), "created", "dan")
    await act(person("cid"), "issued token", "cid")
    async with sessions() as session:
        assert await find_controllers(session, "cid") == {"adm", "ben"}
        assert await find_controllers(session, "adm") == set()
    with pytest.raises(PermissionDeniedError, match="the account cid is controlled by adm"):
        await check(sessions, person("cid"), "adm")
    await check(sessions, person("dan"), "ben")


async def test_command_line_controls_no_account(sessions, make, act, operator):
    """The command line controls no account."""
    await make("ben", Role.APPROVER)
    await act(operator, "issued token", "ben")
    await check(sessions, person("ben"), operator.name)
    await check(sessions, operator, "ben")


async def test_disabling_ends_control(sessions, make, act, operator):
    """Disabling ends the control of others; the account that enables it gains control."""
    await make("root", Role.ADMIN)
    await make("ben")
    await act(person("adm"), "changed", "ben")
    await act(person("adm"), "issued token", "ben")
    await act(operator, "enabled", "ben")
    await check(sessions, person("ben"), "adm")
    await act(person("adm"), "enabled", "ben")
    with pytest.raises(PermissionDeniedError, match="a third account has to approve"):
        await check(sessions, person("ben"), "adm")


async def test_control_by_login_survives_disabling(sessions, operator, act):
    """Control by setting a login survives disabling, until another account sets the login."""
    ani, budi = person("ani"), person("budi")
    await act(operator, "created", "ani")
    await act(operator, "created", "budi")
    await act(operator, "created", "cid")
    await act(ani, "set login", "cid")
    await act(budi, "disabled", "cid")
    async with sessions.begin() as session:
        await enable_account(session, budi, name="cid", at=NOW)
    async with sessions() as session:
        assert await find_controllers(session, "cid") == {"ani", "budi"}
    with pytest.raises(PermissionDeniedError, match="controlled by ani"):
        await check(sessions, person("cid"), "ani")
    async with sessions.begin() as session:
        await change_account(session, operator, name="cid", subject="another", at=NOW)
    await act(operator, "disabled", "cid")
    async with sessions() as session:
        assert await find_controllers(session, "cid") == set()
