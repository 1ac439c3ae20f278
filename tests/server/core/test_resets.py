"""Resets in root, the rules for a role after one, and the rules for successive roots."""

import pytest

from server.core.errors import ProfileError, ReleaseError
from server.core.floor import Floor, decode_floor
from server.core.limits import (
    Reset,
    apply_reset,
    check_follows_reset,
    check_resets_follow,
    decode_resets,
    reset_number,
)
from server.core.profile import check_root
from server.core.succession import check_role_content
from tests.server.core.test_release import build
from tests.server.core.tuf_objects import make_role, make_root

TIME = build(2)["post_timestamp"]
RESET = {"counter": 2, "number": 1, "time": TIME}


def root_with(resets, version=1):
    """Return a root with resets."""
    root = make_root(version)
    root.unrecognized_fields["custom"]["resets"] = resets
    return root


def role_of(*counters, **custom):
    """Return a role with builds of these counters, and members of its own `custom`."""
    role = make_role({f"armani/id/stable/{each}.zip": build(each) for each in counters})
    for each in counters:
        role.targets[f"armani/id/stable/{each}.zip"].hashes["sha256"] = f"{each:064x}"
    if custom:
        role.unrecognized_fields["custom"] = {"floor": 0, "schema": 1, **custom}
    return role


@pytest.mark.parametrize(
    "resets",
    [
        {"armani": {"number": 1}},
        {"armani": {"number": 1, "counter": 2}},
        {"armani": {**RESET, "number": 0}},
        {"armani": {**RESET, "time": -1}},
        {"armani": {**RESET, "counter": True}},
        {"tables": RESET},
        {"tables": {"number": 1, "counter": None}},
        {"latest": {"number": 1}},
        {"root": {"number": 1}},
        {"armani": 1},
        [],
        None,
    ],
)
def test_malformed_resets_are_refused(resets):
    """A model's reset has a counter and a time, those of tables and content have none."""
    with pytest.raises(ProfileError, match="reset"):
        check_root(root_with(resets))


def test_resets_are_read():
    """An earlier root has none."""
    check_root(root_with({"armani": RESET, "content": {"number": 3}}))
    found = decode_resets(root_with({"armani": RESET, "content": {"number": 3}}))
    assert found == {"armani": Reset(1, 2, TIME), "content": Reset(3)}
    assert decode_resets(make_root()) == {}


def test_roots_continue_resets():
    """A number stays with its values, or grows by one; the first is 1."""
    first, second = {"armani": RESET}, {"armani": {**RESET, "number": 2, "counter": 9}}
    for old, new in (({}, first), (first, first), (first, second), ({}, {})):
        check_resets_follow(root_with(old), root_with(new, 2))
    again = {"armani": {**RESET, "counter": 3}}
    for old, new in ((first, {}), (second, first), ({}, second), (first, again)):
        with pytest.raises(ProfileError, match="another reset of armani"):
            check_resets_follow(root_with(old), root_with(new, 2))


def test_a_role_follows_the_newest_reset():
    """An older one, and one that root does not have, are refused."""
    root = root_with({"armani": RESET})
    check_follows_reset("armani", role_of(1, reset=1), root)
    check_follows_reset("dior", role_of(), root)
    for role in (role_of(1), role_of(1, reset=2)):
        with pytest.raises(ReleaseError, match="root 1 has reset 1"):
            check_follows_reset("armani", role, root)
    with pytest.raises(ProfileError, match="no number"):
        reset_number(role_of(1, reset="1"))


def test_what_a_reset_leaves():
    """Builds up to its counter and its time, a floor at most one above, all else unchanged."""
    poisoned = role_of(1, 2, 9000, floor=1, floor_time=10**10, later={"x": 1})
    left = apply_reset("armani", poisoned, {"armani": Reset(1, 2, TIME)})
    assert [*left.targets] == ["armani/id/stable/1.zip", "armani/id/stable/2.zip"]
    assert decode_floor(left) == Floor(schema=1, counter=1, time=TIME)
    assert left.unrecognized_fields["custom"]["later"] == {"x": 1}
    assert reset_number(left) == 1
    emptied = apply_reset("armani", role_of(floor=2**53 - 1), {"armani": Reset(1, 2, TIME)})
    assert decode_floor(emptied).counter == 3
    early = apply_reset("armani", role_of(1, 2), {"armani": Reset(1, 2, TIME - 1)})
    assert [*early.targets] == ["armani/id/stable/1.zip"]
    assert apply_reset("armani", left, {"armani": Reset(1, 1, 1)}) is left
    assert apply_reset("armani", poisoned, {"dior": Reset(1, 1, 1)}) is poisoned


def test_a_role_goes_on_after_a_reset():
    """Builds above the reset may leave, the others stay, and a new build is later."""
    resets = {"armani": Reset(1, 2, TIME)}
    poisoned = role_of(1, 2, 9000, floor=1, floor_time=10**10)
    check_role_content(
        "armani", poisoned, role_of(1, 2, 3, floor=1, floor_time=TIME, reset=1), resets
    )
    with pytest.raises(ReleaseError, match="its counter is not below the role's floor"):
        check_role_content(
            "armani", poisoned, role_of(1, 3, floor=1, floor_time=TIME, reset=1), resets
        )
    with pytest.raises(ReleaseError, match="which root does not have"):
        check_role_content("armani", poisoned, role_of(1, 2, reset=2), resets)
    with pytest.raises(ReleaseError, match="floor falls"):
        check_role_content("armani", poisoned, role_of(1, 2, floor=1, floor_time=TIME), resets)
