"""One installation, from a poll to the switch of slots.

    1 poll and decide    2 check conditions    3 fetch role, proof and package
    4 write the other slot    5 poll again    6 switch slots

An incremental that is gone or does not fit is recorded. Then the next best package of the same
build is tried from step 2 on: another incremental from the running build, or the full package.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from client_sim.device.choose import Check, Offer
from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.conditions import Conditions, judge_conditions, load_settings
from client_sim.device.download import Downloads, PackageBlocks
from client_sim.device.errors import (
    AgreementError,
    DownloadError,
    GoneError,
    InstallError,
    engine_refuses,
)
from client_sim.device.image import Image
from client_sim.device.records import State, add_unusable, load_agreed, store_agreed
from client_sim.device.release import Release
from client_sim.engine.apply import Progress
from client_sim.engine.errors import NotStreamableError
from client_sim.engine.install import Expected, install_package, install_stream
from client_sim.engine.slots import Slots
from client_sim.transport import Connection
from client_sim.world import BuildFacts, World

Report = Callable[[str], None]
"""Called with a sentence at each step of an installation."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The result of `Phone.install`: `installed` is the build in the slot that boots next, or None.

    `offer` is the package that was installed, which may differ from the one that `poll` offered;
    `checks` are the rules and the conditions that were checked last.
    """

    poll: PollOutcome
    installed: BuildFacts | None
    reason: str
    offer: Offer | None = None
    checks: tuple[Check, ...] = ()


def expect(release: Release, sha256: str, certificate: bytes, codename: str) -> Expected:
    """Return the properties that a release's package must have, on a phone with this image."""
    return Expected(
        sha256=sha256,
        property_files=release.property_files,
        payload_properties=release.payload_properties,
        certificate=certificate,
        facts=release.build,
        codename=codename,
    )


def judge_offer(state: State, offer: Offer, conditions: Conditions) -> tuple[Check, ...]:
    """Check all conditions of an installation; the owner's settings and consent are in `state`."""
    return judge_conditions(
        offer,
        conditions,
        load_settings(state),
        agreed=load_agreed(state),
        room=offer.length,
    )


@dataclass(frozen=True, slots=True)
class Update:
    """One installation: its phone, world and options.

    With `is_whole` the whole package is fetched before it is installed.
    """

    client: PollingClient
    world: World
    slots: Slots
    downloads: Downloads
    state: State
    image: Image
    conditions: Conditions
    say: Report
    progress: Progress | None
    is_whole: bool

    def run(self, *, is_agreed: bool) -> Installation:
        """Install the offered build; `is_agreed` says that the owner agrees to it right now.

        Raises DeviceError with the running slot untouched.
        """
        self.say("Asking whether there is a new build.")
        outcome = self._poll()
        checks, offer = outcome.checks, outcome.offer
        if offer is not None and is_agreed:
            store_agreed(self.state, offer.counter)
        while offer is not None:
            conditions = judge_offer(self.state, offer, self.conditions)
            checks = (*checks, *conditions)
            unmet = next((check for check in conditions if not check.passed), None)
            if unmet is not None:
                return Installation(outcome, None, unmet.sentence, checks=checks)
            facts = self._prepare(offer)
            if facts is not None:
                self._switch(offer)
                reason = f"Build {facts.counter} starts at the next reboot."
                return Installation(outcome, facts, reason, offer, checks)
            again = self.client.decide_again()
            checks, offer = again.checks, again.offer
        return Installation(outcome, None, outcome.reason, checks=checks)

    def _poll(self) -> PollOutcome:
        """Poll, and draw the time of the next poll as after any poll; raise the poll's failure."""
        outcome = self.client.poll()
        self.client.next_poll(self.world.now())
        if outcome.failure is not None:
            raise outcome.failure
        return outcome

    def _prepare(self, offer: Offer) -> BuildFacts | None:
        """Install the offer into the other slot; return None for an unusable incremental."""
        # These requests (role, proof, package) are the first that reveal the model.
        with Connection(self.world) as connection:
            self.say(f"Build {offer.counter} is offered; checking that its maintainers signed it.")
            release = self.client.fetch_release(offer, connection).release
            try:
                return self._install(connection, offer, release)
            except (GoneError, DownloadError, InstallError) as error:
                if offer.type == "full":
                    raise
                # Recorded before the next package is tried, so that the phone does not retry this
                # one after a power cut.
                add_unusable(self.state, offer.sha256)
                self.downloads.forget(offer)
                self.say(f"The incremental is of no use ({error}), so another package is tried.")
        return None

    def _install(self, connection: Connection, offer: Offer, release: Release) -> BuildFacts:
        """Install the package while it is fetched, or after the download if it cannot stream."""
        self.downloads.keep_only(offer)
        if not self.is_whole and not self.downloads.has(offer):
            self.say(f"Fetching {offer.length:,} bytes into the slot that does not run.")
            blocks, expected = PackageBlocks(connection, offer), self._expect(offer, release)
            try:
                with engine_refuses():
                    install_stream(blocks, self.slots, expected, progress=self.progress)
            except NotStreamableError as reason:
                self.say(str(reason))
            else:
                return release.build
        self.say(f"Fetching {offer.length:,} bytes.")
        package = self.downloads.fetch(connection, offer, self.progress)
        self.say("Installing into the slot that does not run.")
        return self._install_file(package, offer, release)

    def _install_file(self, package: Path, offer: Offer, release: Release) -> BuildFacts:
        expected = self._expect(offer, release)
        with engine_refuses(), package.open("rb") as file:
            install_package(file, self.slots, expected, progress=self.progress)
        return release.build

    def _expect(self, offer: Offer, release: Release) -> Expected:
        image = self.image
        return expect(release, offer.sha256, image.ota_certificate, image.facts.codename)

    def _switch(self, offer: Offer) -> None:
        """Switch slots if exactly this package is still offered and listed.

        A build that was halted, superseded or withdrawn meanwhile must not boot, so its slot is
        emptied.
        """
        self.say("Checking the offer again before switching slots.")
        outcome = self._poll()
        # Not only `halted`: the next build's rollout replaces the halted pointer.
        if outcome.offer is None or _identify(outcome.offer) != _identify(offer):
            self._empty_slot()
            raise InstallError(
                f"The offer changed during the installation, so build {offer.counter} is not "
                f"started: {outcome.reason}"
            )
        with Connection(self.world) as connection:
            try:
                self.client.fetch_release(offer, connection)
            except AgreementError:
                self._empty_slot()
                raise
        with engine_refuses():
            self.slots.switch()
        self.downloads.forget(offer)

    def _empty_slot(self) -> None:
        with engine_refuses():
            self.slots.begin_update()


def _identify(offer: Offer) -> tuple[str, str, int]:
    return offer.path, offer.sha256, offer.counter
