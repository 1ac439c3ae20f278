"""Some installations of a fleet are repeated by the real update engine."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from client_sim.fleet.builds import PackageSigner, make_build, make_package, write_images
from client_sim.fleet.errors import FleetError
from client_sim.fleet.population import Group
from client_sim.fleet.tally import REASONS, Tally
from client_sim.fleet.twins import Twinning, Twins, install_sample
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import START, Repository, make_pointer, make_step
from tests.client_sim.device.web_server import serve
from tests.client_sim.fleet.conftest import target_of

BUILDS = tuple(make_build("armani", number, START - 10 + number, 20_000) for number in (1, 2))
OLD, NEW = (build.facts for build in BUILDS)
GROUP = Group("armani", "id", "stable", (OLD, NEW), OLD.post_timestamp)


@pytest.fixture(scope="module")
def signer():
    """Make the key of one run."""
    return PackageSigner(START)


@contextmanager
def follow(folder, signer, phones, *, every=1, pointer=None, package=None, arrived=NEW, **limits):
    """Run the twins of some phones; give the sums and the server.

    The phones run `arrived`. By default the twins may take all of the time.
    """
    limits = {"share": 1.0, **limits}
    repository = Repository(START)
    made = package or make_package(BUILDS[1], signer)
    link = repository.add_release(
        made.data,
        fingerprint=NEW.fingerprint,
        post_timestamp=NEW.post_timestamp,
        security_patch_level=NEW.security_patch_level,
        property_files=made.property_files,
        payload_properties=dict(made.payload_properties),
    )
    step = make_step(2, [link], t=NEW.post_timestamp, l=NEW.security_patch_level)
    repository.point({**make_pointer([step]), **(pointer or {})})
    repository.publish("armani", "latest")
    images = write_images(BUILDS, folder / "images")
    twinning = Twinning(every, folder / "twins", images, signer.certificate, **limits)
    tally = Tally()
    with serve(repository) as server:
        twins = Twins(target_of(server), twinning, tally)
        for phone in range(phones):
            tally.switched += 1
            twins.follow(GROUP, OLD, arrived, bytes([phone]) * 32, float(START))
        yield tally, server
    assert not list((folder / "twins").glob("*"))


def test_a_twin_fetches_installs_and_starts_the_build(tmp_path, signer):
    """It polls twice and fetches the package once; no file of it is left."""
    with follow(tmp_path, signer, 1) as (tally, server):
        assert (tally.twins, tally.twins_installed, tally.twin_refusals) == (1, 1, [])
        data = b"".join(server.received)
        assert data.count(b"GET /targets/") == 1
        assert data.count(b"GET /metadata/timestamp.json") == 2


@pytest.mark.parametrize(("phones", "twins"), [(3, 1), (4, 2)])
def test_share_of_phones_with_a_twin(tmp_path, signer, phones, twins):
    """Every n-th phone has a twin, from the first one on."""
    with follow(tmp_path, signer, phones, every=3) as (tally, _):
        assert tally.twins == tally.twins_installed == twins


def test_twins_take_no_more_time_than_they_may(tmp_path, signer, monkeypatch):
    """Phones without a twin are counted once the time is used up."""
    monkeypatch.setattr("client_sim.fleet.twins._GRACE", 0.0)
    with follow(tmp_path, signer, 4, share=0.0) as (tally, _):
        assert (tally.twins, tally.twins_left_out) == (1, 3)


def test_refusals_of_the_engine_are_reported(tmp_path, signer):
    """A refused twin is no installation; a limited number of sentences is kept."""
    package = make_package(BUILDS[1], PackageSigner(START))
    with follow(tmp_path, signer, REASONS + 1, package=package, share=1.0) as (tally, _):
        assert (tally.twins, tally.twins_installed) == (REASONS + 1, 0)
        assert len(tally.twin_refusals) == REASONS
        assert "not signed by the key" in tally.twin_refusals[0]
        assert tally.twin_refusals[0].startswith("armani/id/stable: ")
    both = Tally()
    both.merge(tally)
    both.merge(tally)
    assert len(both.twin_refusals) == REASONS
    assert both.twins == 2 * (REASONS + 1)


def test_twin_with_another_build_is_reported(tmp_path, signer):
    """A twin that gets no offer, or another build than its phone, is no installation."""
    with follow(tmp_path, signer, 1, pointer={"h": True}) as (tally, _):
        assert tally.twins_installed == 0
        assert "halted" in tally.twin_refusals[0]
    other = replace(NEW, fingerprint="Hening/armani/armani:14/OTHER/2:user/release-keys")
    with follow(tmp_path / "other", signer, 1, arrived=other) as (tally, _):
        assert tally.twins_installed == 0
        assert "FLEET/2" in tally.twin_refusals[0]


SAMPLED = Group("armani", "id", "stable", (shop.facts(0), shop.facts(1)), 0)


@pytest.fixture
def sample(tmp_path):
    """Return a function that lets `count` phones of `group` install from a repository."""

    def run(repository, count, group=SAMPLED):
        package = tmp_path / "old.zip"
        package.write_bytes(shop.package(0))
        with serve(repository) as server:
            return install_sample(
                *(target_of(server), (group,), count, package, shop.CERTIFICATE, tmp_path),
                lambda: float(shop.NOW),
            )

    return run


def test_phones_install_by_the_real_engine(sample, tmp_path):
    """Phones of a sample install an incremental and are kept on disk."""
    done = sample(shop.make_repository(0), 2)
    assert (done.made, done.installed, done.reasons) == (2, 2, ())
    assert sorted(path.name for path in tmp_path.glob("phone-*")) == ["phone-1", "phone-2"]


def test_sample_without_admitted_phones(sample):
    """Twenty phones are tried for one, and the phone's own sentence is the reason."""
    repository = Repository(shop.NOW)
    shop.announce(repository, 1, [shop.add_package(repository, 1)], r=[[0, 0]])
    done = sample(repository, 1)
    assert (done.made, done.installed) == (20, 0)
    assert len(done.reasons) == 1
    assert "0 of 1000" in done.reasons[0]


def test_a_package_of_another_model_makes_no_sample(sample):
    """The model of the package must be announced by the server."""
    other = Group("dior", "id", "stable", SAMPLED.builds, 0)
    with pytest.raises(FleetError, match="no model that this server announces"):
        sample(Repository(shop.NOW), 1, other)
