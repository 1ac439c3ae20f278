"""Principals: roles, narrow tokens, codenames and names. `tests/repo` tests the table of rights."""

import pytest

from server.release.auth.principal import Permission, Role, command_line_principal
from server.release.errors import PermissionDeniedError
from tests.cases import case
from tests.server.release.auth.issue import principal


def test_rights_are_limited_to_codenames():
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
        asking = principal(role=role, codenames=codenames)
        for asked in (*allowed, *refused):
            with case(role, codenames, asked):
                assert asking.is_allowed(Permission.SUBMIT, asked) == (asked in allowed)


def test_token_narrows_its_role():
    """A right that the token lacks is refused, even if the role has it."""
    asking = principal(role=Role.ADMIN, permissions=[Permission.READ])
    assert asking.is_allowed(Permission.READ, "armani")
    with pytest.raises(PermissionDeniedError, match="ani is not allowed to halt for armani"):
        asking.check(Permission.HALT, "armani")


def test_audit_log_and_webhooks_need_all_codenames():
    """Audit log and webhooks concern every model, so they need all codenames."""
    narrow = principal(role=Role.ADMIN, codenames=["armani"])
    for permission in (Permission.AUDIT, Permission.WEBHOOKS):
        assert not narrow.is_allowed(permission)
        with pytest.raises(PermissionDeniedError, match="which needs all codenames"):
            narrow.check(permission)
        assert principal(role=Role.ADMIN).is_allowed(permission)


def test_actor():
    """The audit log names account and token, or the command line's user as `cli:USER`.

    A user of the command line has every right.
    """
    asking = command_line_principal("root")
    assert asking.actor == "cli:root"
    assert all(asking.is_allowed(permission, "armani") for permission in Permission)
    assert principal().actor == "ani"
    assert principal(token="0123456789ab").actor == "ani/0123456789ab"
