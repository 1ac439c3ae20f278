"""Limits on irreversible values; the vectors of docs/FORMATS.md are in tests/repo."""

from datetime import timedelta

import pytest

from server.core.errors import ProfileError, TrustError
from server.core.limits import (
    Lifetimes,
    check_lifetimes,
    check_limits,
    decode_lifetimes,
    find_excess,
)
from server.core.profile import check_root
from tests.server.core.test_release import FULL, PATH
from tests.server.core.tuf_objects import EXPIRES, NOW, make_role, make_root

DAY = timedelta(days=1)


def root_with(**members):
    """Return a root whose `custom` has further members."""
    root = make_root()
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
