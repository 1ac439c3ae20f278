from datetime import timedelta

import pytest
from tuf.api.metadata import Targets

from signer.ceremony.renewal_plan import list_expiries, plan_renewal
from signer.errors import CeremonyError


@pytest.fixture
def roles(now):
    """Return roles that expire in 10, 100 and 1 days."""
    return {
        name: Targets(version=version, expires=now + timedelta(days=days))
        for name, version, days in (("armani", 3, 10), ("dior", 1, 100), ("tables", 7, 1))
    }


def test_the_soonest_comes_first(roles, now) -> None:
    """With the whole days that are left, none of them rounded up."""
    found = list_expiries(roles)
    assert [(each.role, each.version, each.days_left(now)) for each in found] == [
        ("tables", 7, 1),
        ("armani", 3, 10),
        ("dior", 1, 100),
    ]
    assert found[0].days_left(now + timedelta(hours=1)) == 0
    assert found[0].days_left(now + timedelta(days=1, seconds=1)) == -1


def test_a_renewal_changes_version_and_expiry_only(roles, now) -> None:
    """Default 90 days, or those that are given; the current version stays as it is."""
    planned = plan_renewal(["armani", "dior"], roles, {"dior": 200}, now)
    assert [(role, signed.version, signed.expires - now) for role, signed in planned.items()] == [
        ("armani", 4, timedelta(days=90)),
        ("dior", 2, timedelta(days=200)),
    ]
    assert roles["armani"].version == 3


@pytest.mark.parametrize(
    ("names", "days", "sentence"),
    [
        ([], {}, "No role is to be renewed"),
        (["cannon"], {}, "no role cannon"),
        (["dior"], {}, "sooner than it does already"),
        (["dior"], {"dior": 0}, "cannot expire after 0 days"),
        (["dior"], {"latest": 5}, "no offline role"),
        (["dior"], {"armani": 5}, "armani is not renewed here"),
    ],
)
def test_a_renewal_that_cannot_be_is_refused(roles, now, names, days, sentence) -> None:
    """Nothing to do, an unknown role, a step back."""
    with pytest.raises(CeremonyError, match=sentence):
        plan_renewal(names, roles, days, now)


def test_a_role_expires_sooner_where_that_is_asked_for(roles, now) -> None:
    """For a root that allows fewer days."""
    planned = plan_renewal(["dior"], roles, {"dior": 5}, now)
    assert planned["dior"].expires - now == timedelta(days=5)
    assert planned["dior"].expires < roles["dior"].expires
