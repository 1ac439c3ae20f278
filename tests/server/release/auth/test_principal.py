"""Principals: the combined effect of a role, a token's narrowing and codenames."""

import pytest

from server.release.auth.principal import (
    ROLE_PERMISSIONS,
    Permission,
    Principal,
    Role,
    command_line_principal,
)
from server.release.errors import PermissionDeniedError
from tests.cases import case


def principal(role, *codenames, name="ani", permissions=None, token=""):
    """Return a principal with all that its role holds, or with `permissions` of it."""
    held = ROLE_PERMISSIONS[role] if permissions is None else frozenset(permissions)
    return Principal(name, role, held, codenames or ("*",), token)


HELD = {
    "viewer": "read",
    "editor": "read upload submit",
    "engineer": "read upload submit rollout halt",
    "approver": "read approve halt audit",
    "admin": "read upload submit rollout halt approve people audit webhooks",
}


def test_each_role_holds_what_its_row_says():
    """Without a codename the role alone decides; a missing right is refused with a message."""
    for permission in Permission:
        for role in Role:
            with case(permission, role):
                asking = principal(role)
                assert asking.is_allowed(permission) == (permission in HELD[role].split())
                if not asking.is_allowed(permission):
                    with pytest.raises(
                        PermissionDeniedError, match=f"ani is not allowed to {permission}[:,] "
                    ):
                        asking.check(permission)


@pytest.mark.parametrize(
    ("codenames", "asked", "allowed"),
    [
        (("*",), "armani", True),
        (("*",), "content", True),
        (("*",), "root", True),
        (("armani",), "armani", True),
        (("armani",), "arman", False),
        (("armani",), "armani2", False),
        (("armani",), "content", False),
        (("armani",), "targets", False),
        (("armani", "content"), "content", True),
        (("armani",), "", True),
    ],
)
def test_codenames_bound_where_a_right_holds(codenames, asked, allowed):
    """A codename is compared whole; no codename asks for the right anywhere."""
    assert principal(Role.ENGINEER, *codenames).is_allowed(Permission.SUBMIT, asked) == allowed


@pytest.mark.parametrize(
    ("codenames", "asked", "allowed"),
    [
        (("*",), "content", True),
        (("*",), "tables", True),
        (("*",), "armani", False),
        (("*",), "targets", False),
        (("content",), "content", True),
        (("content",), "tables", False),
        (("armani",), "armani", False),
    ],
)
def test_an_editor_submits_no_firmware(codenames, asked, allowed):
    """Whatever the codenames of an editor are, only content and tables are submitted."""
    assert principal(Role.EDITOR, *codenames).is_allowed(Permission.SUBMIT, asked) == allowed


def test_a_token_narrows_its_role():
    """A right that the token lacks is refused, although the role would allow it."""
    asking = principal(Role.ADMIN, permissions=[Permission.READ])
    assert asking.is_allowed(Permission.READ, "armani")
    assert not asking.is_allowed(Permission.HALT, "armani")


@pytest.mark.parametrize("permission", [Permission.AUDIT, Permission.WEBHOOKS])
def test_what_tells_of_every_model_wants_all_codenames(permission):
    """An admin for one model neither reads the audit log nor makes webhooks."""
    narrow = principal(Role.ADMIN, "armani")
    assert not narrow.is_allowed(permission)
    with pytest.raises(PermissionDeniedError, match="which needs all codenames"):
        narrow.check(permission)
    assert principal(Role.ADMIN).is_allowed(permission)


def test_the_command_line_may_do_everything():
    """A user with the state folder has every right, under a name that no account can have."""
    asking = command_line_principal("root")
    assert asking.actor == "cli:root"
    assert all(asking.is_allowed(permission, "armani") for permission in Permission)


def test_the_audit_log_names_the_token():
    """The actor says which of the account's tokens was used."""
    assert principal(Role.VIEWER).actor == "ani"
    assert principal(Role.VIEWER, token="0123456789ab").actor == "ani/0123456789ab"
