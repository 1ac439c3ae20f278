"""Who can be a phone of a server, from what it has signed."""

from dataclasses import replace

import pytest

from client_sim.fleet.errors import EnvironmentFailedError
from client_sim.fleet.survey import survey
from tests.client_sim.device.repository_simulator import START
from tests.client_sim.fleet.conftest import NEWEST


def test_channels_builds_and_what_phones_hold(town):
    """One group for the channel that is announced, with the build to come as its newest."""
    town.repository.offer()
    found = survey(town.target, float(START))
    (group,) = found.groups
    assert (group.name, group.holder) == ("armani/id/stable", "latest")
    assert group.builds[-1].fingerprint == NEWEST
    assert [pointer.steps[-1].counter for pointer in found.pointers] == [2]
    assert found.vaults.keys() == {"latest"}
    # Phones that have polled hold no role of a model: only who installs asks for one.
    assert "role.latest" in found.vaults["latest"]
    assert "role.armani" not in found.vaults["latest"]


def test_a_withdrawn_build_is_none_that_phones_run(town):
    """The maintainers took it back."""
    town.repository.add_release(
        name="armani-1-full.zip",
        counter=1,
        fingerprint="Hening/armani/armani:14/T/1:user/release-keys",
        incremental="1",
        post_timestamp=START - 5,
        withdrawn=True,
    )
    town.repository.offer()
    (group,) = survey(town.target, float(START)).groups
    assert all(not build.fingerprint.endswith("T/1:user/release-keys") for build in group.builds)


def test_a_server_without_phones_is_said(town):
    """It announces nothing, or is away."""
    with pytest.raises(EnvironmentFailedError, match="announces no build"):
        survey(town.target, float(START))
    with pytest.raises(EnvironmentFailedError, match=r"127\.0\.0\.1:9 cannot be polled"):
        survey(replace(town.target, port=9), float(START))
