"""Accounts: who may create and change them, and their audit-log entries."""

import json

import pytest

from server.core.errors import FormatError
from server.release.auth.accounts import (
    account_codenames,
    change_account,
    check_account_name,
    check_codenames,
    create_account,
    disable_account,
    enable_account,
    find_by_subject,
    list_accounts,
    load_account,
)
from server.release.auth.principal import Permission, Role
from server.release.auth.tokens import list_tokens
from server.release.errors import ConflictError, NotFoundError, PermissionDeniedError
from tests.cases import refuse_each
from tests.server.release.auth.issue import audit_log, new_token, principal

NOW = 1_800_000_000


async def recorded(sessions):
    """Return action, subject and detail of the audit log, oldest first."""
    entries = await audit_log(sessions)
    return [(entry.action, entry.subject, json.loads(entry.detail)) for entry in entries]


def test_account_names():
    """A name has 1 to 64 lower-case letters, digits, dots, underscores and hyphens.

    A token given as a name is refused, and the error does not repeat it.
    """
    for name in ("a", "0", "ani", "ani.s_2-x", "a" * 64, "ci.build-1"):
        check_account_name(name)
    bad = [
        *("", "A", "-a", ".a", "_a", "a b", "a/b", "cli:root", "a\n", "é", "\u0430", "a@b"),
        "a" * 65,
    ]
    refuse_each(FormatError, check_account_name, bad, "is not an account name")
    with pytest.raises(FormatError, match="look like a token") as refused:
        check_account_name("hening_0123456789ab_" + "5" * 44)
    assert "5555" not in str(refused.value)


def test_codenames():
    """Codenames are sorted without duplicates; `*` replaces all others.

    One to 1000 are allowed: models, content and tables, but no other roles.
    """
    assert check_codenames(["cancro", "armani", "cancro"]) == ("armani", "cancro")
    assert check_codenames(["content", "tables"]) == ("content", "tables")
    assert check_codenames(["armani", "*"]) == ("*",)
    assert len(check_codenames(f"m{number}" for number in range(1000))) == 1000
    roles = ("root", "targets", "latest", "snapshot", "latest-1")
    others = (["Armani"], [""], ["a/b"], [], [f"m{number}" for number in range(1001)])
    refuse_each(FormatError, check_codenames, [*([role] for role in roles), *others])


async def test_account_lifecycle(sessions, operator, make):
    """Creating, changing, disabling and enabling an account have one audit-log entry each.

    Disabling revokes the account's tokens; enabling it does not restore them.
    """
    await make("root", Role.ADMIN)
    await make("ani", Role.ENGINEER, "cancro", "armani")
    async with sessions.begin() as session:
        await change_account(session, operator, name="ani", role=Role.APPROVER, at=NOW + 1)
        await change_account(session, operator, name="ani", codenames=["armani"], at=NOW + 2)
        for label in ("one", "two"):
            await new_token(session, label=label, at=NOW)
        await disable_account(session, operator, name="ani", at=NOW + 3)
        assert (await load_account(session, "ani")).disabled_at == NOW + 3
        await enable_account(session, operator, name="ani", at=NOW + 4)
    async with sessions() as session:
        assert [row.revoked_at for row in await list_tokens(session, "ani")] == [NOW + 3] * 2
        found = await list_accounts(session)
        assert [(row.name, row.role, row.disabled_at) for row in found] == [
            ("ani", "approver", None),
            ("root", "admin", None),
        ]
        assert account_codenames(found[0]) == ("armani",)
        assert found[0].created_at == NOW
    both = ["armani", "cancro"]
    entries = [entry for entry in await recorded(sessions) if entry[0] != "token.create"]
    assert entries[1:] == [
        ("account.create", "ani", {"role": "engineer", "codenames": both}),
        ("account.change", "ani", {"role": ["engineer", "approver"], "codenames": [both, both]}),
        (
            "account.change",
            "ani",
            {"role": ["approver", "approver"], "codenames": [both, ["armani"]]},
        ),
        ("account.disable", "ani", {"sessions_ended": 0, "tokens_revoked": 2}),
        ("account.enable", "ani", {}),
    ]


async def test_change_without_effect_is_not_recorded(sessions, operator, make):
    """A change without an effect succeeds and has no audit-log entry."""
    await make("root", Role.ADMIN)
    await make("ani")
    async with sessions.begin() as session:
        await change_account(session, operator, name="ani", role=Role.ENGINEER, at=NOW + 1)
        await enable_account(session, operator, name="ani", at=NOW + 1)
        await disable_account(session, operator, name="ani", at=NOW + 2)
        await disable_account(session, operator, name="ani", at=NOW + 3)
        assert (await load_account(session, "ani")).disabled_at == NOW + 2
    assert [action for action, _, _ in await recorded(sessions)][2:] == ["account.disable"]


async def test_login_subject_belongs_to_one_account(sessions, operator, make):
    """A subject belongs to one account only, is recorded, and can be removed."""
    await make("root", Role.ADMIN)
    await make("ani")
    async with sessions.begin() as session:
        await change_account(session, operator, name="ani", subject="u-1", at=NOW)
        await change_account(session, operator, name="ani", subject="u-1", at=NOW)
        found = await find_by_subject(session, "u-1")
        assert found is not None
        assert found.name == "ani"
        with pytest.raises(ConflictError, match="logs in to ani already"):
            await change_account(session, operator, name="root", subject="u-1", at=NOW)
        for subject in ("a\nb", "s" * 256):
            with pytest.raises(FormatError, match="printable"):
                await change_account(session, operator, name="ani", subject=subject, at=NOW)
        await change_account(session, operator, name="ani", subject="", at=NOW)
        assert await find_by_subject(session, "u-1") is None
        assert await find_by_subject(session, "") is None
        await change_account(session, operator, name="root", subject="u-1", at=NOW)
    subjects = [(name, detail.get("subject")) for _, name, detail in (await recorded(sessions))[2:]]
    assert subjects == [("ani", "u-1"), ("ani", None), ("root", "u-1")]


async def test_name_cannot_be_used_again(sessions, operator, make):
    """A name cannot be used again, not even after its account was disabled.

    Otherwise it could mean two people in the audit log. Changing an unknown account is an error.
    """
    await make("root", Role.ADMIN)
    async with sessions.begin() as session:
        for change in (change_account, disable_account, enable_account):
            with pytest.raises(NotFoundError, match="there is no account ani"):
                await change(session, operator, name="ani", at=NOW)
    await make("ani")
    async with sessions.begin() as session:
        await disable_account(session, operator, name="ani", at=NOW)
    with pytest.raises(ConflictError, match="there is an account ani already"):
        await make("ani")


async def test_last_admin_cannot_be_removed(sessions, operator, make):
    """The last admin for all codenames can be neither disabled nor demoted."""
    await make("root", Role.ADMIN)
    await make("half", Role.ADMIN, "armani")
    for change in (
        lambda s: disable_account(s, operator, name="root", at=NOW),
        lambda s: change_account(s, operator, name="root", role=Role.VIEWER, at=NOW),
        lambda s: change_account(s, operator, name="root", codenames=["armani"], at=NOW),
    ):
        with pytest.raises(ConflictError, match="root is the last admin for all codenames"):
            async with sessions.begin() as session:
                await change(session)
    async with sessions.begin() as session:
        await change_account(session, operator, name="half", codenames=["*"], at=NOW)
        await disable_account(session, operator, name="root", at=NOW)
    assert [action for action, _, _ in await recorded(sessions)][2:] == [
        "account.change",
        "account.disable",
    ]


ARMANI_ADMIN = principal("deni", Role.ADMIN, ["armani"])
NARROW = principal("deni", Role.ADMIN, permissions=[Permission.PEOPLE])
APPROVER = principal("deni", Role.APPROVER)


async def test_rights_that_the_caller_lacks_are_refused(sessions, make, operator):
    """Only admins manage accounts, within their codenames and the rights of their token.

    They neither grant further rights, nor change or disable accounts that have further rights.
    """
    await make("root", Role.ADMIN)
    await make("ani", Role.VIEWER, "armani")
    await make("budi", Role.VIEWER, "armani", "cancro")
    await make("eka", Role.VIEWER)
    await make("caca")

    def new(by, role, *codenames):
        return lambda s: create_account(s, by, name="x", role=role, codenames=codenames, at=NOW)

    def change(by, name, **changes):
        return lambda s: change_account(s, by, name=name, at=NOW, **changes)

    def switch(by, name, work=disable_account):
        return lambda s: work(s, by, name=name, at=NOW)

    viewer, wide = Role.VIEWER, "deni has no rights for"
    lacking = "does not have the right to"
    manages = "cannot grant it or manage accounts that have it"
    for work, sentence in (
        (new(APPROVER, viewer, "armani"), "not allowed to people"),
        (change(APPROVER, "ani", role=viewer), "not allowed to people"),
        (switch(APPROVER, "ani"), "not allowed to people"),
        (switch(APPROVER, "ani", enable_account), "not allowed to people"),
        (new(ARMANI_ADMIN, viewer, "cancro"), wide),
        (new(ARMANI_ADMIN, viewer, "armani", "cancro"), wide),
        (new(ARMANI_ADMIN, viewer, "*"), wide),
        (new(ARMANI_ADMIN, viewer, "content"), wide),
        (change(ARMANI_ADMIN, "ani", codenames=["*"]), wide),
        (change(ARMANI_ADMIN, "budi", codenames=["armani"]), wide),
        (change(ARMANI_ADMIN, "root", role=viewer), wide),
        (switch(ARMANI_ADMIN, "budi"), wide),
        (new(NARROW, viewer, "armani"), lacking),
        (new(NARROW, Role.ADMIN, "armani"), lacking),
        (change(NARROW, "ani", role=Role.ADMIN), lacking),
        (switch(NARROW, "ani", enable_account), lacking),
        (change(NARROW, "caca", role=viewer), manages),
        (change(NARROW, "root", subject="me"), manages),
        (switch(NARROW, "caca"), manages),
    ):
        async with sessions.begin() as session:
            with pytest.raises(PermissionDeniedError, match=sentence):
                await work(session)
    reader = principal("deni", Role.ADMIN, permissions=[Permission.PEOPLE, Permission.READ])
    async with sessions.begin() as session:
        await new(ARMANI_ADMIN, Role.ENGINEER, "armani")(session)
        await switch(reader, "eka")(session)
        await switch(operator, "caca")(session)
        assert (await load_account(session, "caca")).disabled_at == NOW
