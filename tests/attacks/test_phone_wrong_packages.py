"""Packages that are signed by every key and still must not be installed.

The phone runs build 1, and its maintainers offer build 2. An attacker with all keys of the
repository and with genuine packages of the ROM's signer cannot install an older build or another
model's: the phone compares a package with the build that it runs.
"""

import pytest

from client_sim.device.errors import AgreementError, InstallError, PointerError
from fixtures.build import build_zip
from fixtures.catalogue import find_build
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import make_pointer, make_step


def _dior(number):
    return build_zip(find_build("dior", "id", number))


def _point(updated, link, number=2, **changes):
    build = shop.facts(number)
    step = make_step(build.counter, [link], t=build.post_timestamp, l=build.security_patch_level)
    updated.repository.point(make_pointer([{**step, **changes}]))
    updated.repository.publish("armani", "latest")


WRONG = {}


def wrong(error=None):
    """Register a package, and the error with which the phone refuses it, if it does."""

    def register(act):
        WRONG[act.__name__.strip("_").replace("_", " ")] = act, error
        return act

    return register


@wrong()
def _older_build(updated):
    _point(updated, shop.add_package(updated.repository, 0), 0)


@wrong(PointerError)
def _older_build_under_a_new_counter(updated):
    build = shop.facts(0)
    link = shop.add_package(updated.repository, 0, counter=9)
    _point(updated, link, 0, n=9, t=build.post_timestamp, l=build.security_patch_level)


@wrong(InstallError)
def _older_build_with_false_facts(updated):
    new = shop.facts(2)
    link = shop.add_package(
        updated.repository,
        0,
        counter=9,
        post_timestamp=new.post_timestamp,
        security_patch_level=new.security_patch_level,
    )
    _point(updated, link, n=9)


@wrong(PointerError)
def _older_patch_level(updated):
    level = shop.facts(0).security_patch_level
    _point(updated, shop.add_package(updated.repository, 2, security_patch_level=level), l=level)


@wrong(AgreementError)
def _older_patch_level_in_the_release_alone(updated):
    level = shop.facts(0).security_patch_level
    _point(updated, shop.add_package(updated.repository, 2, security_patch_level=level))


@wrong(PointerError)
def _older_time_of_build(updated):
    time = shop.facts(0).post_timestamp
    _point(updated, shop.add_package(updated.repository, 2, post_timestamp=time), t=time)


@wrong()
def _the_same_build_again(updated):
    _point(updated, shop.add_package(updated.repository, 1), 1)


@wrong(AgreementError)
def _an_older_counter_in_the_release(updated):
    _point(updated, shop.add_package(updated.repository, 2, counter=1))


@wrong(InstallError)
def _another_models_package(updated):
    link = shop.add_data(updated.repository, _dior(2), 2)
    _point(updated, link)


@wrong(InstallError)
def _another_models_package_with_its_own_facts(updated):
    build = find_build("dior", "id", 2)
    link = shop.add_data(
        updated.repository,
        _dior(2),
        2,
        fingerprint=build.fingerprint,
        post_timestamp=build.post_timestamp,
    )
    _point(updated, link, t=build.post_timestamp)


@wrong(AgreementError)
def _a_build_that_needs_a_newer_one_first(updated):
    link = shop.add_package(updated.repository, 2, min_counter=2)
    _point(updated, link, m=0)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_package(updated, name):
    """Nothing changes on the phone, and it installs build 2 afterwards."""
    act, error = WRONG[name]
    act(updated)
    assert updated.install() == ("refused" if error else "nothing"), updated.error
    assert error is None or isinstance(updated.error, error), repr(updated.error)
    updated.check_unharmed()
    updated.check_sent()
    updated.check_recovers()


def test_incremental_for_another_build(updated):
    """An incremental does not fit the running build, so its full package is installed instead."""
    running = shop.facts(1).fingerprint
    wrong = shop.add_data(updated.repository, shop.package(1, 0), 2, 1, source_builds=[running])
    full = shop.add_package(updated.repository, 2)
    build = shop.facts(2)
    step = make_step(
        build.counter, [full, wrong], t=build.post_timestamp, l=build.security_patch_level
    )
    updated.repository.point(make_pointer([step]))
    updated.repository.publish("armani", "latest")
    assert updated.install() == build, updated.error
    updated.check_updated()
    updated.check_sent()
