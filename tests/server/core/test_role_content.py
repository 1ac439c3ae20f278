"""What a role may list: the one question that signer and server ask."""

import pytest

from server.core.errors import HeningError
from server.core.role_content import check_role_content
from tests.server.core.test_release import FULL, PATH, build
from tests.server.core.tuf_objects import make_role

TABLE = "tables/apn/data.zip"


def test_a_first_version_is_judged_alone() -> None:
    """Empty, or with releases that agree."""
    check_role_content("armani", None, make_role())
    check_role_content("armani", None, make_role({PATH: FULL}))
    check_role_content("tables", None, make_role({TABLE: {"schema": 1}}))


@pytest.mark.parametrize(
    ("name", "targets", "sentence"),
    [
        ("armani", {PATH: FULL | {"schema": 2}}, "schema '2'"),
        ("armani", {PATH: FULL, "armani/id/stable/b.zip": build(3)}, "belongs to"),
        ("armani", {TABLE: FULL}, "not its own"),
        ("tables", {TABLE: {}}, "`schema`"),
        ("tables", {"tables/APN/data.zip": {"schema": 1}}, "ROLE/KIND/FILE"),
        ("tables", {"tables/apn/data.txt": {"schema": 1}}, "not a package file name"),
    ],
)
@pytest.mark.parametrize("before", [None, make_role()])
def test_what_may_not_be_listed_is_refused(name, targets, sentence, before) -> None:
    """In a first version as in a later one."""
    with pytest.raises(HeningError, match=sentence):
        check_role_content(name, before, make_role(targets))


def test_a_later_version_keeps_what_was_promised() -> None:
    """A model's role does; tables and content come and go."""
    with pytest.raises(HeningError, match="is gone"):
        check_role_content("armani", make_role({PATH: FULL}), make_role())
    check_role_content("tables", make_role({TABLE: {"schema": 1}}), make_role())
