"""docs/OPERATIONS.md says who may do what; the code allows the same."""

import re
from pathlib import Path

import pytest

from server.release.people.permissions import CONTENT_ROLES, ROLE_PERMISSIONS, Permission, Role
from server.release.people.principal import Principal

OPERATIONS = (Path(__file__).parents[2] / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")


def rows(name):
    """Return head and body of the table between two comments of the page."""
    block = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", OPERATIONS, re.DOTALL)[1]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()]
    return cells[0], cells[2:]


HEAD, BODY = rows("roles")


def test_the_table_has_every_role_and_permission():
    """One column a role and one line a permission, in the order of the code."""
    assert HEAD[2:] == [role.value for role in Role]
    assert [row[0].strip("`") for row in BODY] == [permission.value for permission in Permission]


@pytest.mark.parametrize("row", BODY, ids=lambda row: row[0].strip("`"))
def test_each_cell_is_what_the_code_allows(row):
    """`yes` for every codename, `no` for none, `content` for content and tables alone."""
    permission = Permission(row[0].strip("`"))
    for name, cell in zip(HEAD[2:], row[2:], strict=True):
        asking = Principal("ani", Role(name), ROLE_PERMISSIONS[Role(name)], ("*",))
        places = {
            place
            for place in ("armani", "targets", "root", *CONTENT_ROLES)
            if asking.is_allowed(permission, place)
        }
        assert asking.is_allowed(permission) == (cell != "no")
        assert (
            places
            == {
                "yes": {"armani", "targets", "root", *CONTENT_ROLES},
                "no": set(),
                "content": set(CONTENT_ROLES),
            }[cell]
        )
