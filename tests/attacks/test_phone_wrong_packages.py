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


def _point(settled, link, number=2, **changes):
    build = shop.facts(number)
    step = make_step(build.counter, [link], t=build.post_timestamp, l=build.security_patch_level)
    settled.repository.point(make_pointer([{**step, **changes}]))
    settled.repository.publish("armani", "latest")


WRONG = {}


def wrong(error=None):
    """Register a package, and the error with which the phone refuses it, if it does."""

    def register(act):
        WRONG[act.__name__.strip("_").replace("_", " ")] = act, error
        return act

    return register


@wrong()
def _older_build_as_it_is(settled):
    _point(settled, shop.add_package(settled.repository, 0), 0)


@wrong(PointerError)
def _older_build_under_a_new_counter(settled):
    build = shop.facts(0)
    link = shop.add_package(settled.repository, 0, counter=9)
    _point(settled, link, 0, n=9, t=build.post_timestamp, l=build.security_patch_level)


@wrong(InstallError)
def _older_build_that_lies_about_everything(settled):
    new = shop.facts(2)
    link = shop.add_package(
        settled.repository,
        0,
        counter=9,
        post_timestamp=new.post_timestamp,
        security_patch_level=new.security_patch_level,
    )
    _point(settled, link, n=9)


@wrong(PointerError)
def _older_patch_level(settled):
    level = shop.facts(0).security_patch_level
    _point(settled, shop.add_package(settled.repository, 2, security_patch_level=level), l=level)


@wrong(AgreementError)
def _older_patch_level_in_the_release_alone(settled):
    level = shop.facts(0).security_patch_level
    _point(settled, shop.add_package(settled.repository, 2, security_patch_level=level))


@wrong(PointerError)
def _older_time_of_build(settled):
    time = shop.facts(0).post_timestamp
    _point(settled, shop.add_package(settled.repository, 2, post_timestamp=time), t=time)


@wrong()
def _the_same_build_again(settled):
    _point(settled, shop.add_package(settled.repository, 1), 1)


@wrong(AgreementError)
def _an_older_counter_in_the_release(settled):
    _point(settled, shop.add_package(settled.repository, 2, counter=1))


@wrong(InstallError)
def _another_models_package(settled):
    link = shop.add_data(settled.repository, _dior(2), 2)
    _point(settled, link)


@wrong(InstallError)
def _another_models_package_with_its_own_facts(settled):
    build = find_build("dior", "id", 2)
    link = shop.add_data(
        settled.repository,
        _dior(2),
        2,
        fingerprint=build.fingerprint,
        post_timestamp=build.post_timestamp,
    )
    _point(settled, link, t=build.post_timestamp)


@wrong(AgreementError)
def _a_build_that_needs_a_newer_one_first(settled):
    link = shop.add_package(settled.repository, 2, min_counter=2)
    _point(settled, link, m=0)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_package(settled, name):
    """Nothing changes on the phone, and it installs build 2 afterwards."""
    act, error = WRONG[name]
    act(settled)
    assert settled.install() == ("refused" if error else "nothing"), settled.error
    assert error is None or isinstance(settled.error, error), repr(settled.error)
    settled.check_unharmed()
    settled.check_sent()
    settled.check_recovers()


def test_incremental_for_another_build(settled):
    """An incremental does not fit the running build, so its full package is installed instead."""
    running = shop.facts(1).fingerprint
    wrong = shop.add_data(settled.repository, shop.package(1, 0), 2, 1, source_builds=[running])
    full = shop.add_package(settled.repository, 2)
    build = shop.facts(2)
    step = make_step(
        build.counter, [full, wrong], t=build.post_timestamp, l=build.security_patch_level
    )
    settled.repository.point(make_pointer([step]))
    settled.repository.publish("armani", "latest")
    assert settled.install() == build, settled.error
    settled.check_updated()
    settled.check_sent()
