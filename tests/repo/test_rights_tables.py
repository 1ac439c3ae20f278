"""The tables of rights in docs/reference/rights.md match the code."""

import re
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

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "rights.md").read_text(encoding="utf-8")


def rows(name):
    """Return head and body of the table between two comments of the page."""
    block = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", PAGE, re.DOTALL)[1]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()]
    return cells[0], cells[2:]


HEAD, BODY = rows("roles")


def test_the_table_has_every_role_and_permission():
    """One column per role and one line per permission, in the order of the code."""
    assert HEAD[2:] == [role.value for role in Role]
    assert [row[0].strip("`") for row in BODY] == [permission.value for permission in Permission]


def test_each_cell_is_what_the_code_allows():
    """`yes` for every codename, `no` for none, `content` for content and tables alone."""
    every = {"armani", "targets", "root", *CONTENT_ROLES}
    allowed = {"yes": every, "no": set(), "content": set(CONTENT_ROLES)}
    for row in BODY:
        permission = Permission(row[0].strip("`"))
        for name, cell in zip(HEAD[2:], row[2:], strict=True):
            asking = Principal("ani", Role(name), ROLE_PERMISSIONS[Role(name)], ("*",))
            with case(permission, name):
                assert asking.is_allowed(permission) == (cell != "no")
                places = {place for place in every if asking.is_allowed(permission, place)}
                assert places == allowed[cell]


NOWHERE = "\N{EN DASH}"
OPERATION_HEAD, OPERATION_BODY = rows("operations")
BY_NAME = {f"{one.method} {one.path}": one for one in DECLARED}


def test_the_table_has_every_operation():
    """The page has every operation, each once."""
    assert OPERATION_HEAD[3:] == [role.value for role in Role]
    assert sorted(row[0].strip("`") for row in OPERATION_BODY) == sorted(BY_NAME)


def test_what_an_operation_needs():
    """The permission is the declared one, and the roles with it have `yes`."""
    for row in OPERATION_BODY:
        with case(row[0]):
            check_operation(row)


def check_operation(row):
    """Compare a row of the page with the operation's declaration."""
    operation = BY_NAME[row[0].strip("`")]
    if operation.public:
        assert row[1:] == ["nothing", NOWHERE, *["yes"] * len(Role)]
        return
    assert row[1].strip("`") == (operation.permission or "token")
    assert row[2] in {NOWHERE, "codename", "roles", "all"}
    assert row[2] == "codename" or "codename" not in operation.parameters
    assert (row[2] == "all") == (operation.permission in WHOLE_PERMISSIONS)
    for role, cell in zip(Role, row[3:], strict=True):
        if operation.permission is not None:
            held = operation.permission in ROLE_PERMISSIONS[role]
            assert cell == ("yes" if held else "no")
        else:
            assert cell in {"yes", "own", "no"}
