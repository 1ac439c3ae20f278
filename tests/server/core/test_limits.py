"""Limits on irreversible values, floors, and resets; the vectors of FORMATS are in tests/repo."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError, ProfileError, ReleaseError, TrustError
from server.core.floor import NO_FLOOR, Floor, decode_floor, encode_floor
from server.core.limits import (
    Lifetimes,
    Reset,
    apply_reset,
    check_follows_reset,
    check_lifetimes,
    check_limits,
    check_resets_follow,
    decode_lifetimes,
    decode_resets,
    find_excess,
    reset_number,
)
from server.core.profile import check_root
from server.core.succession import check_role_content
from tests.server.core.test_release import FULL, PATH, build
from tests.server.core.tuf_objects import EXPIRES, NOW, make_role, make_root
from tests.strategies import integers, json_values

DAY = timedelta(days=1)


def root_with(version=1, **members):
    """Return a root whose `custom` has further members."""
    root = make_root(version)
    root.unrecognized_fields["custom"] |= members
    return root


def test_a_root_without_lifetimes_allows_ten_years():
    """As does every root of earlier versions, and one that states only some lifetimes."""
    assert decode_lifetimes(make_root()) == Lifetimes()
    lifetimes = decode_lifetimes(root_with(lifetimes={"codenames": 30}))
    assert lifetimes.of("armani") == 30 * DAY
    assert [lifetimes.of(role) for role in ("targets", "tables", "content")] == [3650 * DAY] * 3


@pytest.mark.parametrize(
    "lifetimes",
    [{"codenames": 0}, {"tables": 3651}, {"content": True}, {"targets": "9"}, [], None, 5],
)
def test_malformed_lifetimes_are_refused(lifetimes):
    """Lifetimes are whole days from 1 to 3,650; the profile refuses other roots."""
    with pytest.raises(ProfileError, match="`lifetimes` are malformed"):
        check_root(root_with(lifetimes=lifetimes))


@pytest.mark.parametrize("name", ["targets", "tables", "content", "armani"])
def test_each_kind_has_a_limit_of_its_own(name):
    """The most is 90 days and the skew of one if root says 90; other roles are not checked."""
    kind = "codenames" if name == "armani" else name
    root = root_with(lifetimes={kind: 90})
    signed_at = EXPIRES - 91 * DAY
    check_limits(name, make_role(), root, signed_at)
    with pytest.raises(TrustError, match="may be valid for 90 days"):
        check_limits(name, make_role(), root, signed_at - timedelta(seconds=1))
    check_limits(name, make_role(), make_root(), signed_at - timedelta(seconds=1))


@pytest.mark.parametrize("name", ["latest", "latest-3"])
def test_the_servers_own_roles_have_seven_days(name):
    """Whatever root says about others."""
    check_limits(name, make_role(), make_root(), EXPIRES - 8 * DAY)
    with pytest.raises(TrustError, match="valid for 7 days"):
        check_limits(name, make_role(), make_root(), EXPIRES - 9 * DAY)


def test_a_root_does_not_outlaw_a_role_in_force():
    """The error names the conflicting role; online roles are not checked."""
    roles = {"armani": make_role(), "latest": make_role(), "targets": make_role()}
    lifetimes = root_with(lifetimes={"codenames": 30, "targets": 400})
    with pytest.raises(TrustError, match="sign armani again"):
        check_lifetimes(lifetimes, roles, NOW)
    check_lifetimes(lifetimes, roles, EXPIRES - 31 * DAY)


def test_every_excess_is_named():
    """The publisher raises the first, `check` reports all."""
    far = FULL | {
        "counter": 5000,
        "post_timestamp": 2**53 - 1,
        "security_patch_level": "9999-12-31",
    }
    role = make_role({PATH: far})
    role.unrecognized_fields["custom"] = {"floor": 1, "floor_time": 10**11, "schema": 1}
    found = find_excess("armani", role, make_root(), NOW)
    assert [sentence for sentence in found if "floor_time 5138-11-16" in sentence]
    assert [sentence for sentence in found if "post_timestamp 9007199254740991" in sentence]
    assert [sentence for sentence in found if "patch level 9999-12-31" in sentence]
    assert [sentence for sentence in found if "counter 5000" in sentence]
    assert len(found) == 4
    assert find_excess("armani", make_role({PATH: FULL}), make_root(), NOW) == []


def test_what_is_malformed_is_named_beside_what_is_ahead():
    """It may have come into the public tree by other means; `check` reports it and continues."""
    role = make_role({PATH: FULL | {"counter": "5"}})
    role.unrecognized_fields["custom"] = {"floor": 1, "floor_time": 10**11, "schema": 1}
    found = find_excess("armani", role, make_root(), NOW)
    assert len(found) == 2
    assert "floor_time 5138-11-16" in found[0]
    assert "is malformed" in found[1]


TIME = build(2)["post_timestamp"]
RESET = {"counter": 2, "number": 1, "time": TIME}


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
        check_root(root_with(resets=resets))


def test_resets_are_read():
    """An earlier root has none."""
    check_root(root_with(resets={"armani": RESET, "content": {"number": 3}}))
    found = decode_resets(root_with(resets={"armani": RESET, "content": {"number": 3}}))
    assert found == {"armani": Reset(1, 2, TIME), "content": Reset(3)}
    assert decode_resets(make_root()) == {}


def test_roots_continue_resets():
    """A number stays with its values, or grows by one; the first is 1."""
    first, second = {"armani": RESET}, {"armani": {**RESET, "number": 2, "counter": 9}}
    for old, new in (({}, first), (first, first), (first, second), ({}, {})):
        check_resets_follow(root_with(resets=old), root_with(2, resets=new))
    again = {"armani": {**RESET, "counter": 3}}
    for old, new in ((first, {}), (second, first), ({}, second), (first, again)):
        with pytest.raises(ProfileError, match="another reset of armani"):
            check_resets_follow(root_with(resets=old), root_with(2, resets=new))


def test_a_role_follows_the_newest_reset():
    """An older one, and one that root does not have, are refused."""
    root = root_with(resets={"armani": RESET})
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


def role_with(custom):
    """Return a role whose own `custom` is that value."""
    role = make_role()
    role.unrecognized_fields["custom"] = custom
    return role


def test_a_role_without_an_object_has_no_floor():
    """As a ceremony makes it."""
    assert decode_floor(make_role()) == NO_FLOOR == Floor(schema=1, counter=0, time=0)


def test_a_floor_is_read():
    """Both numbers; `floor_time` may be absent, and unknown members are ignored."""
    custom = {"floor": 5, "floor_time": 7, "schema": 1, "later": [1.5]}
    assert decode_floor(role_with(custom)) == Floor(schema=1, counter=5, time=7)
    assert decode_floor(role_with({"floor": 5, "schema": 1})).time == 0


@given(integers, integers)
def test_what_is_written_is_read(counter, time):
    """And members of a later version beside it stay, sorted by name."""
    role = role_with({"schema": 1, "floor": 0, "aaa": 1})
    role.unrecognized_fields["x"] = 2
    fields = encode_floor(role, Floor(schema=1, counter=counter, time=time))
    assert fields["x"] == 2
    assert list(fields["custom"].items()) == [
        ("aaa", 1),
        ("floor", counter),
        ("floor_time", time),
        ("schema", 1),
    ]
    assert decode_floor(role_with(fields["custom"])) == Floor(schema=1, counter=counter, time=time)


@pytest.mark.parametrize("schema", [0, 2, True, "1", None, 1.0])
def test_a_floor_of_another_schema_is_refused(schema):
    """Only the integer 1 is schema 1; the message names the other one."""
    with pytest.raises(FormatError, match="this version knows schema 1 only") as caught:
        decode_floor(role_with({"schema": schema, "floor": 1}))
    assert repr(str(schema)) in str(caught.value)


@pytest.mark.parametrize("value", [None, True, -1, 2**53, 1.0, "1", []])
@pytest.mark.parametrize("member", ["floor", "floor_time"])
def test_what_is_no_integer_is_refused(member, value):
    """Both members are integers of the format; the floor must be there."""
    with pytest.raises(FormatError, match="malformed"):
        decode_floor(role_with({"schema": 1, "floor": 1, "floor_time": 1} | {member: value}))
    with pytest.raises(FormatError, match="malformed"):
        decode_floor(role_with({"schema": 1}))


@given(json_values | st.fixed_dictionaries({"schema": st.just(1), "floor": json_values}))
def test_arbitrary_values_raise_only_our_error(custom):
    """Any value is a floor, or is refused."""
    try:
        floor = decode_floor(role_with(custom))
    except FormatError:
        return
    assert floor.counter == custom["floor"]
