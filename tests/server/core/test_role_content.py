"""What a role may list: the one question that signer and server ask."""

import contextlib
import json

import pytest
from hypothesis import given

from server.core.errors import HeningError
from server.core.metadata import decode_targets
from server.core.role_content import check_role_alone, check_role_content
from tests.server.core.content.samples import entries_of, make_pack_role
from tests.server.core.mutations import mutated
from tests.server.core.test_release import DELTA, FULL, PATH, build
from tests.server.core.tuf_objects import keys_of, make_role, signed

TABLE = "tables/apn/00.xz"


def tables():
    """Return a role tables with one pack."""
    return make_pack_role("tables", {"emergency": entries_of("emergency")})[0]


def test_a_first_version_is_judged_alone() -> None:
    """Empty, or with releases that agree."""
    check_role_content("armani", None, make_role())
    check_role_content("armani", None, make_role({PATH: FULL}))
    check_role_content("tables", None, tables())
    check_role_content("latest", None, make_role())


def test_a_pack_of_any_version_is_sound_alone() -> None:
    """How far it may be above the one before is asked only where that one is known."""
    role = tables()
    role.unrecognized_fields["custom"]["packs"]["emergency"]["version"] = 1_001
    check_role_alone("tables", role)
    with pytest.raises(HeningError, match="leaps from version 0 to 1001"):
        check_role_content("tables", None, role)


@pytest.mark.parametrize(
    ("name", "targets", "sentence"),
    [
        ("armani", {PATH: FULL | {"schema": 2}}, "schema '2'"),
        ("armani", {PATH: FULL, "armani/id/stable/b.zip": build(3)}, "belongs to"),
        ("armani", {TABLE: FULL}, "not its own"),
        ("tables", {TABLE: {"schema": 1}}, "belongs to none of its packs"),
        ("latest", {"latest/armani/id/stable": {"v": 1}}, "is for the server"),
    ],
)
@pytest.mark.parametrize("before", [None, make_role()])
def test_what_may_not_be_listed_is_refused(name, targets, sentence, before) -> None:
    """In a first version as in a later one."""
    with pytest.raises(HeningError, match=sentence):
        check_role_content(name, before, make_role(targets))


def test_a_later_version_keeps_what_was_promised() -> None:
    """A model's role keeps paths, tables and content their kinds."""
    with pytest.raises(HeningError, match="is gone"):
        check_role_content("armani", make_role({PATH: FULL}), make_role())
    with pytest.raises(HeningError, match="the pack emergency is gone"):
        check_role_content("tables", tables(), make_role())
    check_role_content("tables", make_role(), tables())


def model():
    """Return a role with two builds, an incremental, a withdrawn package and a floor."""
    role = make_role(
        {
            "armani/id/stable/0.zip": build(1, withdrawn=True, drain_until=5),
            PATH: FULL,
            "armani/id/stable/b.zip": DELTA,
        }
    )
    role.unrecognized_fields["custom"] = {"floor": 1, "floor_time": 1, "schema": 1}
    for number, target in enumerate(role.targets.values()):
        target.hashes["sha256"] = f"{number:064x}"
    return role


@given(mutated(lambda: json.loads(signed(model(), *keys_of("armani")))))
def test_a_role_that_is_changed_anywhere_raises_only_our_error(document) -> None:
    """As a successor and as a first version; what passes can be written in canonical form."""
    check_role_content("armani", model(), model())
    with contextlib.suppress(HeningError):
        metadata = decode_targets("armani", json.dumps(document).encode())
        assert metadata.signed_bytes
        with contextlib.suppress(HeningError):
            check_role_content("armani", model(), metadata.signed)
        check_role_content("armani", None, metadata.signed)


@given(mutated(lambda: json.loads(signed(tables(), *keys_of("tables")))))
def test_a_common_role_that_is_changed_anywhere_raises_only_our_error(document) -> None:
    """The same of what all models share."""
    with contextlib.suppress(HeningError):
        metadata = decode_targets("tables", json.dumps(document).encode())
        assert metadata.signed_bytes
        with contextlib.suppress(HeningError):
            check_role_content("tables", tables(), metadata.signed)
        check_role_content("tables", None, metadata.signed)
