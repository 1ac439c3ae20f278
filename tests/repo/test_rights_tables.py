"""The tables of rights in docs/reference/rights.md match the code."""

from pathlib import Path

from server.release.api.catalogue import OPERATIONS as DECLARED
from server.release.auth.principal import (
    CONTENT_ROLES,
    ROLE_PERMISSIONS,
    WHOLE_PERMISSIONS,
    Permission,
    Principal,
    Role,
)
from tests.cases import case
from tests.repo.test_request_table import read_table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rights.md"
ROLES = [role.value for role in Role]
BODY = read_table("roles", PAGE)
NOWHERE = "\N{EN DASH}"
OPERATIONS = read_table("operations", PAGE)
BY_NAME = {f"{one.method} {one.path}": one for one in DECLARED}


def test_rows_and_columns():
    """There are a column per role, a row per permission in the code's order, and all operations."""
    assert list(BODY[0])[2:] == list(OPERATIONS[0])[3:] == ROLES
    assert [first(row) for row in BODY] == [permission.value for permission in Permission]
    assert sorted(map(first, OPERATIONS)) == sorted(BY_NAME)


def first(row):
    """Return the name that a row is about."""
    return next(iter(row.values())).strip("`")


def test_cells():
    """In a cell `yes` means every codename, `no` none, `content` only content and tables."""
    every = {"armani", "targets", "root", *CONTENT_ROLES}
    allowed = {"yes": every, "no": set(), "content": set(CONTENT_ROLES)}
    for row in BODY:
        permission = Permission(first(row))
        for name in ROLES:
            cell = row[name]
            asking = Principal("ani", Role(name), ROLE_PERMISSIONS[Role(name)], ("*",))
            with case(permission, name):
                assert asking.is_allowed(permission) == (cell != "no")
                places = {place for place in every if asking.is_allowed(permission, place)}
                assert places == allowed[cell]


def test_permissions_of_operations():
    """The table has each operation's declared permission, and the roles with it have `yes`."""
    for row in OPERATIONS:
        with case(first(row)):
            check_operation(BY_NAME[first(row)], list(row.values())[1:])


def check_operation(operation, cells):
    """Compare a row of the page with the operation's declaration."""
    permission, place, *held = cells
    if operation.public:
        assert cells == ["nothing", NOWHERE, *["yes"] * len(Role)]
        return
    assert permission.strip("`") == (operation.permission or "token")
    assert place in {NOWHERE, "codename", "roles", "all"}
    assert place == "codename" or "codename" not in operation.parameters
    assert (place == "all") == (operation.permission in WHOLE_PERMISSIONS)
    for role, cell in zip(Role, held, strict=True):
        if operation.permission is not None:
            is_held = operation.permission in ROLE_PERMISSIONS[role]
            assert cell == ("yes" if is_held else "no")
        else:
            assert cell in {"yes", "own", "no"}
