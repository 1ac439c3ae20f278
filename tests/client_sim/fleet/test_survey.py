"""Models, channels and builds of a server's phones, from its signed metadata."""

from dataclasses import replace

import pytest

from client_sim.fleet.errors import EnvironmentFailedError
from client_sim.fleet.survey import survey
from tests.client_sim.device.repository_simulator import START
from tests.client_sim.fleet.conftest import NEWEST


def test_survey_of_a_server(served):
    """The announced channel is a group, and the build to come is its newest."""
    served.repository.offer()
    found = survey(served.target, float(START))
    (group,) = found.groups
    assert (group.name, group.holder) == ("armani/id/stable", "latest")
    assert group.builds[-1].fingerprint == NEWEST
    assert [pointer.steps[-1].counter for pointer in found.pointers] == [2]
    assert found.vaults.keys() == {"latest"}
    # Polls do not fetch the role of a model; only installations do.
    assert "role.latest" in found.vaults["latest"]
    assert "role.armani" not in found.vaults["latest"]


def test_withdrawn_builds_are_left_out(served):
    """No phone of the fleet runs a withdrawn build."""
    served.repository.add_release(
        name="armani-1-full.zip",
        counter=1,
        fingerprint="Hening/armani/armani:14/T/1:user/release-keys",
        incremental="1",
        post_timestamp=START - 5,
        withdrawn=True,
    )
    served.repository.offer()
    (group,) = survey(served.target, float(START)).groups
    assert all(not build.fingerprint.endswith("T/1:user/release-keys") for build in group.builds)


def test_server_without_phones(served):
    """A server that announces no build, or is not reachable, is an error."""
    with pytest.raises(EnvironmentFailedError, match="announces no build"):
        survey(served.target, float(START))
    with pytest.raises(EnvironmentFailedError, match=r"127\.0\.0\.1:9 cannot be polled"):
        survey(replace(served.target, port=9), float(START))
