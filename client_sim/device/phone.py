"""A phone on disk: polls, installs, reboots, falls back.

image/       what the factory wrote (`image.py`)
state/       what the phone remembers (`records.py`, `trust.py`)
slots/       the two slots and the bootloader's memory (`client_sim.engine.slots`)
downloads/   packages on their way (`download.py`)
personal/    the owner's data; nothing in this module opens it
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from client_sim.clock import read_clock, read_entropy
from client_sim.device.agreement import SignedTarget
from client_sim.device.choose import Offer
from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.download import Downloads, Progress
from client_sim.device.errors import InstallError, StorageError
from client_sim.device.image import load_image
from client_sim.device.internet import RealWorld
from client_sim.device.records import load_failed, load_floor, raise_floor, store_failed
from client_sim.device.vault import Vault
from client_sim.engine.build import BuildFacts
from client_sim.engine.errors import EngineError
from client_sim.engine.install import install_package
from client_sim.engine.slots import BootOutcome, Slots
from client_sim.transport import Connection
from client_sim.world import Public, RunningBuild, World

Report = Callable[[str], None]
"""Called with a sentence at each step of an installation."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What `Phone.install` did: `installed` is the build in the slot that boots next, or None."""

    poll: PollOutcome
    installed: BuildFacts | None
    reason: str


class Phone:
    """The phone in `directory`; raises DeviceError for everything that it refuses.

    `resolver` maps host names to addresses in place of DNS. `make_world` puts another world around
    the phone's public facts and state; the default is the real one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        resolver: Mapping[str, Sequence[str]] | None = None,
        now: Callable[[], float] = read_clock,
        entropy: Callable[[int], bytes] = read_entropy,
        make_world: Callable[[Public, Vault], World] | None = None,
    ) -> None:
        self.image = load_image(directory / "image")
        self.slots = Slots(directory / "slots")
        self.state = Vault(directory / "state")
        self._downloads = Downloads(directory / "downloads")
        self._resolver = resolver
        self._now = now
        self._entropy = entropy
        self._make_world = make_world or self._make_real_world

    @property
    def running_build(self) -> BuildFacts:
        """The build that runs."""
        with _engine_refuses():
            return self.slots.running_build

    @property
    def floor(self) -> int:
        """The counter below which, or at which, nothing is installed."""
        return max(load_floor(self.state), self.running_build.counter)

    @property
    def public(self) -> Public:
        """What the phone's polling is given to know."""
        facts, build = self.image.facts, self.running_build
        return Public(
            host=facts.host,
            port=facts.port,
            tls=facts.tls,
            codename=facts.codename,
            region=facts.region,
            channel=facts.channel,
            root=self.image.root,
            ota_certificate=self.image.ota_certificate,
            built_at=facts.built_at,
            build=RunningBuild(
                fingerprint=build.fingerprint,
                incremental=build.incremental,
                counter=build.counter,
                post_timestamp=build.post_timestamp,
                security_patch_level=build.security_patch_level,
            ),
        )

    def poll(self) -> PollOutcome:
        """Ask once and decide; nothing is installed."""
        return self._client()[0].poll()

    def next_poll(self) -> float:
        """Return when the phone polls next, epoch seconds."""
        client, world = self._client()
        return client.next_poll(world.now())

    def install(
        self, *, progress: Progress | None = None, report: Report | None = None
    ) -> Installation:
        """Poll, and install what is offered into the slot that does not run, up to the switch.

        The pointer and the codename role are looked at once more right before the switch. After it,
        `reboot` starts the new build. Raises DeviceError with the running slot untouched.
        """
        say = report or (lambda _sentence: None)
        self._check_confirmed()
        client, world = self._client()
        # 1. Poll and decide, as every phone does.
        say("Asking whether there is a new build.")
        outcome = client.poll()
        if outcome.failure is not None:
            raise outcome.failure
        offer = outcome.offer
        if offer is None:
            return Installation(outcome, None, outcome.reason)
        # 2. Only now requests that show the model: role, proof, package.
        with Connection(world) as connection:
            say(f"Build {offer.counter} is offered; checking that its maintainers signed it.")
            target = client.fetch_release(offer, connection)
            say(f"Fetching {offer.length} octets.")
            package = self._downloads.fetch(connection, offer, progress)
        # 3. Install into the other slot.
        say("Installing into the slot that does not run.")
        facts = self._install_package(package, target, progress)
        # 4. Look again: a build that was halted, superseded or withdrawn meanwhile must not be
        # started.
        say("Looking once more before switching slots.")
        self._check_still_offered(client, world, offer)
        with _engine_refuses():
            self.slots.switch()
        self._downloads.forget(offer)
        return Installation(outcome, facts, f"Build {facts.counter} starts at the next reboot.")

    def reboot(self, *, is_healthy: Callable[[BuildFacts], bool]) -> BootOutcome:
        """Start the phone; confirm what came up, remember what did not. Raises DeviceError."""
        with _engine_refuses():
            outcome = self.slots.boot(is_healthy)
            self._remember_failure()
            # Confirmed before the floor rises: were it the other way round, a phone that dies in
            # between and falls back could not install the build that it had tried.
            self.slots.mark_successful()
        raise_floor(self.state, outcome.build.counter)
        return outcome

    def _client(self) -> tuple[PollingClient, World]:
        self._remember_failure()
        world = self._make_world(self.public, self.state)
        return PollingClient(world), world

    def _make_real_world(self, public: Public, state: Vault) -> World:
        return RealWorld(
            public,
            state,
            now=self._now,
            entropy=self._entropy,
            resolver=self._resolver,
            certificate_authority=self.image.authority,
        )

    def _remember_failure(self) -> None:
        """Copy the bootloader's memory of a failed build before the next update wipes it."""
        with _engine_refuses():
            failed = self.slots.failed_build
        if failed is not None and failed.counter not in (known := load_failed(self.state)):
            store_failed(self.state, (*known, failed.counter))

    def _check_confirmed(self) -> None:
        with _engine_refuses():
            state = self.slots.state
        if state.active != state.running:
            raise InstallError("An installed build waits for a reboot; reboot first.")

    def _install_package(
        self, package: Path, target: SignedTarget, progress: Progress | None
    ) -> BuildFacts:
        release = target.release
        facts = BuildFacts(
            fingerprint=release.fingerprint,
            incremental=release.incremental,
            counter=release.counter,
            post_timestamp=release.post_timestamp,
            security_patch_level=release.security_patch_level,
        )
        with _engine_refuses(), package.open("rb") as file:
            install_package(
                file,
                self.slots,
                property_files=release.property_files,
                payload_properties=release.payload_properties,
                certificate=self.image.ota_certificate,
                facts=facts,
                codename=self.image.facts.codename,
                progress=progress,
            )
        return facts

    def _check_still_offered(self, client: PollingClient, world: World, offer: Offer) -> None:
        outcome = client.poll()
        if outcome.failure is not None:
            raise outcome.failure
        # Not only `halted`: the next build's roll-out replaces the pointer that said so.
        if outcome.offer is None or _identify(outcome.offer) != _identify(offer):
            raise InstallError(
                f"The offer changed during the installation, so build {offer.counter} is not "
                f"started: {outcome.reason}"
            )
        with Connection(world) as connection:
            client.fetch_release(offer, connection)


def _identify(offer: Offer) -> tuple[str, str, int]:
    return offer.path, offer.sha256, offer.counter


@contextmanager
def _engine_refuses() -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        raise InstallError(str(error)) from error
    except OSError as error:
        raise StorageError(f"The phone's disk failed: {error}.") from error
