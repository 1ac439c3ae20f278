"""Principals: roles, narrow tokens, codenames and names. `tests/repo` has the table of rights."""

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
    """Return a principal with its role's permissions, or with `permissions`."""
    held = ROLE_PERMISSIONS[role] if permissions is None else frozenset(permissions)
    return Principal(name, role, held, codenames or ("*",), token)


def test_codenames_bound_where_a_right_holds():
    """A right applies to exactly the principal's codenames.

    An editor submits only content and tables, whatever its codenames are.
    """
    for role, codenames, allowed, refused in (
        (Role.ENGINEER, ("*",), ("armani", "content", "root"), ()),
        (Role.ENGINEER, ("armani",), ("armani", ""), ("arman", "armani2", "content", "targets")),
        (Role.ENGINEER, ("armani", "content"), ("content",), ()),
        (Role.EDITOR, ("*",), ("content", "tables"), ("armani", "targets")),
        (Role.EDITOR, ("content",), ("content",), ("tables",)),
        (Role.EDITOR, ("armani",), (), ("armani",)),
    ):
        asking = principal(role, *codenames)
        for asked in (*allowed, *refused):
            with case(role, codenames, asked):
                assert asking.is_allowed(Permission.SUBMIT, asked) == (asked in allowed)


def test_a_token_narrows_its_role():
    """A right that the token lacks is refused, even if the role has it."""
    asking = principal(Role.ADMIN, permissions=[Permission.READ])
    assert asking.is_allowed(Permission.READ, "armani")
    with pytest.raises(PermissionDeniedError, match="ani is not allowed to halt for armani"):
        asking.check(Permission.HALT, "armani")


def test_what_tells_of_every_model_wants_all_codenames():
    """Audit log and webhooks concern every model, so they need all codenames."""
    narrow = principal(Role.ADMIN, "armani")
    for permission in (Permission.AUDIT, Permission.WEBHOOKS):
        assert not narrow.is_allowed(permission)
        with pytest.raises(PermissionDeniedError, match="which needs all codenames"):
            narrow.check(permission)
        assert principal(Role.ADMIN).is_allowed(permission)


def test_who_is_named():
    """The audit log names account and token, or the command line's user as `cli:USER`.

    A user of the command line has every right.
    """
    asking = command_line_principal("root")
    assert asking.actor == "cli:root"
    assert all(asking.is_allowed(permission, "armani") for permission in Permission)
    assert principal(Role.VIEWER).actor == "ani"
    assert principal(Role.VIEWER, token="0123456789ab").actor == "ani/0123456789ab"
