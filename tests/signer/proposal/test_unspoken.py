import copy

import pytest

from signer.proposal.unspoken import list_unspoken
from signer.signing import load_trusted
from signer.work_folder import WorkFolder


@pytest.fixture
def trusted(repo):
    """Return root and targets of a repository."""
    return load_trusted(WorkFolder(repo), None)


def test_everything_of_a_sound_role_is_told(trusted) -> None:
    """First versions and renewals have nothing that the review is silent about."""
    for signed in (trusted.root, trusted.targets):
        assert list_unspoken(None, signed) == []
        renewed = copy.deepcopy(signed)
        renewed.version += 1
        assert list_unspoken(signed, renewed) == []


def test_members_of_root_are_named(trusted) -> None:
    """At the top, in `custom`, and in a role."""
    later = copy.deepcopy(trusted.root)
    later.unrecognized_fields["mirrors"] = ["x"]
    later.unrecognized_fields["custom"]["second"] = 1
    later.roles["timestamp"].unrecognized_fields["limit"] = 1
    assert list_unspoken(trusted.root, later) == ["custom.second", "mirrors", "timestamp.limit"]


def test_members_of_targets_are_named(trusted) -> None:
    """At the top, in the delegations, in one delegation, and a `custom` that is no object."""
    later = copy.deepcopy(trusted.targets)
    later.unrecognized_fields["custom"] = [1]
    later.delegations.unrecognized_fields["order"] = "x"
    later.delegations.roles["armani"].unrecognized_fields["min"] = 1
    assert list_unspoken(trusted.targets, later) == ["armani.min", "custom", "delegations.order"]


def test_a_member_that_goes_is_named(trusted) -> None:
    """Taking something away is a change, too."""
    before = copy.deepcopy(trusted.root)
    before.unrecognized_fields["mirrors"] = ["x"]
    assert list_unspoken(before, trusted.root) == ["mirrors"]
