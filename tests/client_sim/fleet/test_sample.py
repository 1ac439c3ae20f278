"""Phones of a sample, which install by the real engine from a real package."""

import pytest

from client_sim.fleet.errors import FleetError
from client_sim.fleet.population import Group
from client_sim.fleet.twins import Wish, install_sample
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import Repository
from tests.client_sim.device.web_server import serve
from tests.client_sim.fleet.conftest import target_of

GROUP = Group("armani", "id", "stable", (shop.facts(0), shop.facts(1)), 1.0, 0)


@pytest.fixture
def sample(tmp_path):
    """Give a function that lets `count` phones of `group` install from a repository."""

    def run(repository, count, group=GROUP):
        package = tmp_path / "old.zip"
        package.write_bytes(shop.package(0))
        wish = Wish(count, package, shop.CERTIFICATE)
        with serve(repository) as server:
            return install_sample(
                target_of(server), (group,), wish, tmp_path, lambda: float(shop.NOW)
            )

    return run


def test_phones_install_by_the_real_engine(sample, tmp_path):
    """From an incremental that fits their build; each is on disk and runs the new one."""
    repository = Repository(shop.NOW)
    links = [shop.add_package(repository, 1), shop.add_package(repository, 1, 0)]
    shop.announce(repository, 1, links)
    done = sample(repository, 2)
    assert (done.made, done.installed, done.reasons) == (2, 2, ())
    assert sorted(path.name for path in tmp_path.glob("phone-*")) == ["phone-1", "phone-2"]


def test_phones_that_are_not_let_in_are_told(sample):
    """Nobody is in, so twenty phones are tried for one; the phone's own sentence says why."""
    repository = Repository(shop.NOW)
    shop.announce(repository, 1, [shop.add_package(repository, 1)], r=[[0, 0]])
    done = sample(repository, 1)
    assert (done.made, done.installed) == (20, 0)
    assert len(done.reasons) == 1
    assert "0 of 1000" in done.reasons[0]


def test_a_package_of_another_model_makes_no_sample(sample):
    """The server has no such model."""
    other = Group("dior", "id", "stable", GROUP.builds, 1.0, 0)
    with pytest.raises(FleetError, match="no model that this server announces"):
        sample(Repository(shop.NOW), 1, other)
