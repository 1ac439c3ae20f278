"""Twins of some phones: full phones on disk that install with the real update engine.

A twin has its phone's build, secret, clock and channel. It polls, fetches the package, applies it
to its other slot, boots the build and confirms it. In the end it must run the same build as its
phone.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.device.candidate import METADATA, read_pairs
from client_sim.device.errors import DeviceError
from client_sim.device.factory import create_phone, create_phone_from_package
from client_sim.device.image import Image, ImageFacts
from client_sim.device.phone import Phone
from client_sim.fleet.errors import FleetError
from client_sim.fleet.population import Group
from client_sim.fleet.tally import REASONS, Tally
from client_sim.fleet.target import Target
from client_sim.world import BuildFacts

_GRACE: Final = 5.0  # seconds that twins may take in addition to their share


@dataclass(frozen=True, slots=True)
class Twinning:
    """One in `every` phones that install a build has a twin, in a folder of `folder`.

    `images` are the partition images of every build by its fingerprint, `certificate` is the PEM
    certificate of the packages. Twins use at most `share` of a worker's time; above that, phones
    get no twin.
    """

    every: int
    folder: Path
    images: Mapping[str, Mapping[str, Path]]
    certificate: bytes
    share: float = 0.05


class Twins:
    """Makes the twins of a worker's phones, one at a time, and removes each afterwards."""

    def __init__(self, target: Target, twinning: Twinning, tally: Tally) -> None:
        self._target = target
        self._twinning = twinning
        self._tally = tally
        self._begun = time.perf_counter()
        self._spent = 0.0

    def follow(
        self, group: Group, running: BuildFacts, chosen: BuildFacts, secret: bytes, now: float
    ) -> None:
        """Repeat the update of a phone from `running` to `chosen` at `now`, if it is selected."""
        tally, twinning = self._tally, self._twinning
        if (tally.switched - 1) % twinning.every:
            return
        begun = time.perf_counter()
        if self._spent > _GRACE + twinning.share * (begun - self._begun):
            tally.twins_left_out += 1
            return
        place = twinning.folder / f"{secret.hex()[:16]}-{chosen.counter}"
        tally.twins += 1
        try:
            reason = self._update(place, group, running, chosen, secret, now)
        except DeviceError as error:
            reason = str(error)
        finally:
            shutil.rmtree(place, ignore_errors=True)
            self._spent += time.perf_counter() - begun
        if not reason:
            tally.twins_installed += 1
        elif len(tally.twin_refusals) < REASONS:
            tally.twin_refusals.append(f"{group.name}: {reason}")

    def _update(
        self,
        place: Path,
        group: Group,
        running: BuildFacts,
        chosen: BuildFacts,
        secret: bytes,
        now: float,
    ) -> str:
        """Return the reason why the twin does not run `chosen` in the end, or an empty text."""
        target, twinning = self._target, self._twinning
        image = _make_image(target, group, twinning.certificate, group.built_at)
        create_phone(place, image, images=twinning.images[running.fingerprint], build=running)
        phone = Phone(
            place,
            resolver={target.host: [target.address]},
            now=lambda: now,
            # A phone uses randomness only for its secret and for the time of its next poll.
            entropy=lambda count: secret[:count],
        )
        result = phone.install()
        if result.installed is None:
            return result.reason
        boot = phone.reboot(is_healthy=lambda _build: True)
        return "" if boot.build == chosen else f"It runs {boot.build.fingerprint} now."


def _make_image(target: Target, group: Group, certificate: bytes, built_at: int) -> Image:
    facts = ImageFacts(
        codename=group.codename,
        region=group.region,
        channel=group.channel,
        host=target.host,
        port=target.port,
        tls=target.tls,
        built_at=built_at,
    )
    return Image(facts, target.root, certificate, target.authority)


_TRIES: Final = 20  # maximum phones made for each wanted one, as a stage may admit only a few


@dataclass(frozen=True, slots=True)
class Sample:
    """The numbers of phones that were made and that installed, and the reasons of the others."""

    made: int = 0
    installed: int = 0
    reasons: tuple[str, ...] = ()


def install_sample(
    target: Target,
    groups: tuple[Group, ...],
    count: int,
    package: Path,
    certificate: bytes,
    folder: Path,
    now: Callable[[], float],
) -> Sample:
    """Make phones in `folder` until `count` have installed the build that `target` offers.

    They run the build in the full OTA zip `package`, whose signer has the PEM `certificate`. Each
    has its own secret, which decides whether a rollout admits it; at most 20 times as many phones
    are made. Raises DeviceError if no phone can be made from the package, FleetError if the server
    does not have its model.
    """
    facts = read_pairs(package, METADATA)
    fitting = [group for group in groups if group.codename == facts.get("pre-device")]
    if not fitting:
        raise FleetError(f"{package.name} is for no model that this server announces.")
    made = installed = 0
    reasons: dict[str, None] = {}
    while installed < count and made < count * _TRIES:
        group = fitting[made % len(fitting)]
        counters = {build.fingerprint: build.counter for build in group.builds}
        made += 1
        place = folder / f"phone-{made}"
        create_phone_from_package(
            place,
            _make_image(target, group, certificate, 0),
            package,
            counter=counters.get(facts.get("post-build", ""), 0),
        )
        reason = _update(Phone(place, resolver={target.host: [target.address]}, now=now))
        if reason:
            reasons[reason] = None
        installed += not reason
    return Sample(made, installed, tuple(reasons))


def _update(phone: Phone) -> str:
    """Let a phone poll, install, reboot and confirm; return the reason if it cannot, else ""."""
    try:
        result = phone.install()
        if result.installed is None:
            return result.reason
        boot = phone.reboot(is_healthy=lambda _build: True)
    except DeviceError as error:
        return str(error)
    return "" if boot.build == result.installed else "The new build did not start."
