"""Some phones in full, on disk: they install by the real update engine what a fleet is offered."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.device.errors import DeviceError
from client_sim.device.factory import create_phone_from_package, read_package_facts
from client_sim.device.image import Image, ImageFacts
from client_sim.device.phone import Phone
from client_sim.fleet.errors import FleetError
from client_sim.fleet.population import Group
from client_sim.fleet.target import Target

_TRIES: Final = 20  # phones that are made for each that is to install: a stage may let in few


@dataclass(frozen=True, slots=True)
class Wish:
    """`count` phones that run the build in the full OTA zip `package`.

    `certificate` is the PEM certificate that packages are signed with.
    """

    count: int
    package: Path
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """How many phones were made, how many of them run a new build now, and why others do not."""

    made: int = 0
    installed: int = 0
    reasons: tuple[str, ...] = ()


def install_sample(
    target: Target,
    groups: tuple[Group, ...],
    wish: Wish,
    folder: Path,
    now: Callable[[], float],
) -> Sample:
    """Make phones in `folder` until enough have installed what `target` offers them, or too many.

    Each has a secret of its own, so a roll-out lets it in or not. Raises DeviceError for a package
    that no phone can be made of, FleetError where it is of a model that the server does not have.
    """
    facts = read_package_facts(wish.package)
    fitting = [group for group in groups if group.codename == facts.get("pre-device")]
    if not fitting:
        raise FleetError(f"{wish.package.name} is of no model that this server announces.")
    made = installed = 0
    reasons: dict[str, None] = {}
    while installed < wish.count and made < wish.count * _TRIES:
        group = fitting[made % len(fitting)]
        counters = {build.fingerprint: build.counter for build in group.builds}
        made += 1
        phone = _make_phone(
            *(target, group, wish, folder / f"phone-{made}", now),
            counter=counters.get(facts.get("post-build", ""), 0),
        )
        reason = _update(phone)
        if reason:
            reasons[reason] = None
        installed += not reason
    return Sample(made, installed, tuple(reasons))


def _make_phone(
    target: Target,
    group: Group,
    wish: Wish,
    place: Path,
    now: Callable[[], float],
    *,
    counter: int,
) -> Phone:
    facts = ImageFacts(
        codename=group.codename,
        region=group.region,
        channel=group.channel,
        host=target.host,
        port=target.port,
        tls=target.tls,
        built_at=0,
    )
    image = Image(facts, target.root, wish.certificate, target.authority)
    create_phone_from_package(place, image, wish.package, counter=counter)
    return Phone(place, resolver={target.host: [target.address]}, now=now)


def _update(phone: Phone) -> str:
    """Let a phone poll, install, start again and confirm; returns why not, or nothing."""
    try:
        done = phone.install()
        if done.installed is None:
            return done.reason
        boot = phone.reboot(is_healthy=lambda _build: True)
    except DeviceError as error:
        return str(error)
    return "" if boot.build == done.installed else "The new build did not start."
