"""Limits of irreversible values, floors, and resets. The vectors of FORMATS are in tests/repo."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError, ProfileError, ReleaseError, TrustError
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
from server.core.release import NO_FLOOR, Floor, decode_floor, encode_floor
from server.core.succession import check_role_content
from tests.cases import case, refuse_each
from tests.server.core.test_release import FULL, PATH, build
from tests.server.core.tuf_objects import EXPIRES, NOW, make_role, make_root
from tests.strategies import integers, json_values

DAY = timedelta(days=1)


def root_with(version=1, **members):
    """Return a root with further members in `custom`."""
    root = make_root(version)
    root.unrecognized_fields["custom"] |= members
    return root


def test_default_lifetime_is_ten_years():
    """Without stated lifetimes, a root allows ten years for each role."""
    assert decode_lifetimes(make_root()) == Lifetimes()
    lifetimes = decode_lifetimes(root_with(lifetimes={"codenames": 30}))
    assert lifetimes.of("armani") == 30 * DAY
    assert [lifetimes.of(role) for role in ("targets", "tables", "content")] == [3650 * DAY] * 3


def test_malformed_lifetimes_are_refused():
    """Lifetimes are whole days from 1 to 3,650; other roots are refused."""
    bad = [*({"codenames": 0}, {"tables": 3651}, {"content": True}, {"targets": "9"}, [], None, 5)]
    roots = [root_with(lifetimes=lifetimes) for lifetimes in bad]
    refuse_each(ProfileError, check_root, roots, "`lifetimes` are malformed")


def test_expiry_limits_by_role():
    """A role's expiry is limited by its kind's lifetime plus a day of tolerance.

    The server's roles have seven days, whatever the root says.
    """
    signed_at, role = EXPIRES - 91 * DAY, make_role()
    for name in ("targets", "tables", "content", "armani"):
        root = root_with(lifetimes={"codenames" if name == "armani" else name: 90})
        check_limits(name, role, root, signed_at)
        with case(name), pytest.raises(TrustError, match="valid for only 90 days"):
            check_limits(name, role, root, signed_at - timedelta(seconds=1))
        check_limits(name, role, make_root(), signed_at - timedelta(seconds=1))
    for name in ("latest", "latest-3"):
        check_limits(name, role, make_root(), EXPIRES - 8 * DAY)
        with case(name), pytest.raises(TrustError, match="valid for only 7 days"):
            check_limits(name, role, make_root(), EXPIRES - 9 * DAY)


def test_shorter_lifetime_than_a_current_role_is_refused():
    """A root with a shorter lifetime than a current offline role is refused by name."""
    roles = {"armani": make_role(), "latest": make_role(), "targets": make_role()}
    lifetimes = root_with(lifetimes={"codenames": 30, "targets": 400})
    with pytest.raises(TrustError, match="sign armani again"):
        check_lifetimes(lifetimes, roles, NOW)
    check_lifetimes(lifetimes, roles, EXPIRES - 31 * DAY)


def test_all_excesses_are_reported():
    """The publisher raises the first excess; `check` reports all, including malformed values."""
    late = {"post_timestamp": 2**53 - 1, "security_patch_level": "9999-12-31"}
    for changes, sentences in (
        (
            {"counter": 5000, **late},
            ["post_timestamp 9007199254740991", "patch level 9999-12-31", "counter 5000"],
        ),
        ({"counter": "5"}, ["is malformed"]),
    ):
        role = make_role({PATH: FULL | changes}, floor=1, floor_time=10**11, schema=1)
        found = find_excess("armani", role, make_root(), NOW)
        assert len(found) == 1 + len(sentences)
        for sentence in ("floor_time 5138-11-16", *sentences):
            assert [each for each in found if sentence in each], sentence
    assert find_excess("armani", make_role({PATH: FULL}), make_root(), NOW) == []


TIME = build(2)["post_timestamp"]
RESET = {"counter": 2, "number": 1, "time": TIME}


def role_of(*counters, **custom):
    """Return a role with builds of these counters and these members in `custom`."""
    custom = {"floor": 0, "schema": 1, **custom} if custom else {}
    builds = {f"armani/id/stable/{each}.zip": build(each) for each in counters}
    role = make_role(builds, **custom)
    for each in counters:
        role.targets[f"armani/id/stable/{each}.zip"].hashes["sha256"] = f"{each:064x}"
    return role


def test_resets_are_decoded():
    """A model's reset has a counter and a time; that of tables or content has neither.

    A root of an older version has no resets.
    """
    resets = {"armani": RESET, "content": {"number": 3}}
    check_root(root_with(resets=resets))
    found = decode_resets(root_with(resets=resets))
    assert found == {"armani": Reset(1, 2, TIME), "content": Reset(3)}
    assert decode_resets(make_root()) == {}
    wrong = [{"number": 0}, {"time": -1}, {"counter": True}]
    bad = [
        *({"armani": each} for each in ({"number": 1}, {"number": 1, "counter": 2}, 1)),
        *({"armani": RESET | each} for each in wrong),
        *({"tables": RESET}, {"tables": {"number": 1, "counter": None}}, [], None),
        *({role: {"number": 1}} for role in ("latest", "root")),
    ]
    refuse_each(ProfileError, lambda each: check_root(root_with(resets=each)), bad, "reset")


def test_successor_root_keeps_or_increases_resets():
    """A reset's number stays with its values or increases by one, starting at 1."""
    first, second = {"armani": RESET}, {"armani": {**RESET, "number": 2, "counter": 9}}
    for old, new in (({}, first), (first, first), (first, second), ({}, {})):
        check_resets_follow(root_with(resets=old), root_with(2, resets=new))
    again = {"armani": {**RESET, "counter": 3}}
    for old, new in ((first, {}), (second, first), ({}, second), (first, again)):
        with pytest.raises(ProfileError, match="changes the reset of armani"):
            check_resets_follow(root_with(resets=old), root_with(2, resets=new))


def test_role_must_follow_the_newest_reset():
    """A role that follows an older or unknown reset is refused."""
    root = root_with(resets={"armani": RESET})
    check_follows_reset("armani", role_of(1, reset=1), root)
    check_follows_reset("dior", role_of(), root)
    for role in (role_of(1), role_of(1, reset=2)):
        with pytest.raises(ReleaseError, match="root 1 has reset 1"):
            check_follows_reset("armani", role, root)
    with pytest.raises(ProfileError, match="not a number"):
        reset_number(role_of(1, reset="1"))


def test_reset_removes_later_builds():
    """A reset keeps builds up to its counter and time, with a floor at most one above."""
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


def test_role_versions_after_a_reset():
    """After a reset, builds above it may leave; others stay, and new builds are later."""
    resets = {"armani": Reset(1, 2, TIME)}
    poisoned = role_of(1, 2, 9000, floor=1, floor_time=10**10)
    floor = {"floor": 1, "floor_time": TIME}
    check_role_content("armani", poisoned, role_of(1, 2, 3, reset=1, **floor), resets)
    for role, sentence in (
        (role_of(1, 3, reset=1, **floor), "its counter is not below the role's floor"),
        (role_of(1, 2, reset=2), "which root does not have"),
        (role_of(1, 2, **floor), "floor falls"),
    ):
        with pytest.raises(ReleaseError, match=sentence):
            check_role_content("armani", poisoned, role, resets)


def role_with(custom):
    """Return a role whose `custom` has this value."""
    role = make_role()
    role.unrecognized_fields["custom"] = custom
    return role


def test_floor_is_decoded():
    """A floor has two numbers, of which `floor_time` may be missing.

    A role without `custom` has no floor. Unknown members are ignored.
    """
    assert decode_floor(make_role()) == NO_FLOOR == Floor(schema=1, counter=0, time=0)
    custom = {"floor": 5, "floor_time": 7, "schema": 1, "later": [1.5]}
    assert decode_floor(role_with(custom)) == Floor(schema=1, counter=5, time=7)
    assert decode_floor(role_with({"floor": 5, "schema": 1})).time == 0


@given(integers, integers)
def test_floor_round_trip(counter, time):
    """A written floor is read back; members of a later version are kept and sorted."""
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


def test_malformed_floors_are_refused():
    """A floor needs schema 1 and integers."""
    for schema in (0, 2, True, "1", None, 1.0):
        sentence = "this version knows schema 1 only"
        with case(schema), pytest.raises(FormatError, match=sentence) as caught:
            decode_floor(role_with({"schema": schema, "floor": 1}))
        assert repr(str(schema)) in str(caught.value)
    floor = {"schema": 1, "floor": 1, "floor_time": 1}
    values = (None, True, -1, 2**53, 1.0, "1", [])
    bad = [floor | {member: each} for member in ("floor", "floor_time") for each in values]
    customs = [{"schema": 1}, *bad]
    refuse_each(FormatError, lambda each: decode_floor(role_with(each)), customs, "malformed")


@given(json_values | st.fixed_dictionaries({"schema": st.just(1), "floor": json_values}))
def test_arbitrary_floors_raise_only_our_error(custom):
    """Any value is a floor or raises our error."""
    try:
        floor = decode_floor(role_with(custom))
    except FormatError:
        return
    assert floor.counter == custom["floor"]
