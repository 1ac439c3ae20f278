"""A phone on disk: polls, installs, reboots, falls back.

image/       what the factory wrote (`image.py`)
state/       what the phone remembers (`records.py`, `trust.py`)
slots/       the two slots and the bootloader's memory (`client_sim.engine.slots`)
downloads/   partial and complete packages (`download.py`)
personal/    the owner's data; this module does not open it
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from client_sim.clock import read_clock, read_entropy
from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.conditions import Conditions
from client_sim.device.download import Downloads
from client_sim.device.errors import InstallError, engine_refuses
from client_sim.device.image import load_image
from client_sim.device.internet import RealWorld
from client_sim.device.limits import load_counter
from client_sim.device.records import (
    RecordStore,
    forget_agreed,
    forget_unusable,
    load_failed,
    load_floor,
    lock_folder,
    raise_floor,
    store_failed,
)
from client_sim.device.reset import finish_reset
from client_sim.device.update import Installation, Report, Update
from client_sim.engine.apply import Progress
from client_sim.engine.boot_state import BootState
from client_sim.engine.journal import Disk
from client_sim.engine.slots import BootOutcome, Slots
from client_sim.world import BuildFacts, Event, Public, World


class Phone:
    """The phone in `directory`; raises DeviceError for any refusal.

    `resolver` maps host names to addresses in place of DNS. `make_world` makes another world from
    the phone's public facts and state; the default is the real one. `disk` performs each change of
    slots, state and downloads. A factory reset that was interrupted is completed first.
    """

    def __init__(
        self,
        directory: Path,
        *,
        resolver: Mapping[str, Sequence[str]] | None = None,
        now: Callable[[], float] = read_clock,
        entropy: Callable[[int], bytes] = read_entropy,
        make_world: Callable[[Public, RecordStore], World] | None = None,
        disk: Disk | None = None,
    ) -> None:
        self._directory = directory
        self.image = load_image(directory / "image")
        finish_reset(directory, disk=disk)
        self.slots = Slots(directory / "slots", disk=disk)
        self.state = RecordStore(directory / "state", disk=disk)
        self._downloads = Downloads(directory / "downloads", disk=disk)
        self._resolver = resolver
        self._now = now
        self._entropy = entropy
        self._make_world = make_world or self._make_real_world

    @property
    def running_build(self) -> BuildFacts:
        """The build that runs."""
        with engine_refuses():
            return self.slots.running_build

    @property
    def boot_state(self) -> BootState:
        """The bootloader's state."""
        with engine_refuses():
            return self.slots.state

    @property
    def floor(self) -> int:
        """The rollback floor: builds with this counter or a lower one are not installed."""
        return max(load_floor(self.state), self._count(self.running_build))

    @property
    def public(self) -> Public:
        """The public facts that polling receives."""
        facts = self.image.facts
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
            build=self.running_build,
        )

    def poll(self) -> PollOutcome:
        """Poll once and decide; nothing is installed. Waits for another poll of this phone."""
        with lock_folder(self._directory, wait=True):
            return self._client()[0].poll()

    def next_poll(self) -> float:
        """Return when the phone polls next, epoch seconds."""
        client, world = self._client()
        return client.next_poll(world.now())

    def notify(self, event: Event) -> None:
        """Notify the polling client of an event, like every app; nothing is sent."""
        self._client()[0].on_event(event)

    def install(
        self,
        *,
        conditions: Conditions | None = None,
        is_agreed: bool = False,
        retry_failed: bool = False,
        is_whole: bool = False,
        progress: Progress | None = None,
        report: Report | None = None,
    ) -> Installation:
        """Poll, install the offer into the inactive slot, and switch slots.

        `conditions` are the phone's circumstances, by default all favourable. `is_agreed` says that
        the owner agrees to the offer, `retry_failed` that a build that did not boot may be tried
        again. The package is installed while it is fetched; with `is_whole` it is fetched whole
        first. The pointer and the codename role are checked again right before the switch. After
        it, `reboot` starts the new build. Waits for another poll of this phone. Raises DeviceError
        with the running slot untouched.
        """
        state = self.boot_state
        if state.active != state.running:
            raise InstallError("An installed build waits for a reboot; reboot first.")
        client, world = self._client(retry_failed=retry_failed)
        update = Update(
            client=client,
            world=world,
            slots=self.slots,
            downloads=self._downloads,
            state=self.state,
            image=self.image,
            conditions=conditions or Conditions(),
            say=report or (lambda _sentence: None),
            progress=progress,
            is_whole=is_whole,
        )
        with lock_folder(self._directory, wait=True):
            return update.run(is_agreed=is_agreed)

    def reboot(self, *, is_healthy: Callable[[BuildFacts], bool]) -> BootOutcome:
        """Boot the phone; confirm a build that starts, record one that does not.

        Raises DeviceError.
        """
        with engine_refuses():
            outcome = self.slots.boot(is_healthy)
            self._remember_failure()
            # Confirmed before the floor rises. Otherwise a phone that loses power in between and
            # falls back could not install the build that it had tried.
            self.slots.mark_successful()
        counter = self._count(outcome.build)
        if counter > load_floor(self.state):
            # A phone that lost power right after the switch still has its package.
            self._downloads.clear()
            # The floor first, so that a phone that loses power in between keeps only harmless
            # records.
            raise_floor(self.state, counter)
            forget_unusable(self.state)
            forget_agreed(self.state)
        return outcome

    def open_world(self) -> World:
        """Return the phone's network access, for requests that its owner makes."""
        return self._make_world(self.public, self.state)

    def _client(self, *, retry_failed: bool = False) -> tuple[PollingClient, World]:
        self._remember_failure()
        world = self.open_world()
        return PollingClient(world, retry_failed=retry_failed), world

    def _make_real_world(self, public: Public, state: RecordStore) -> World:
        return RealWorld(
            public,
            state,
            now=self._now,
            entropy=self._entropy,
            resolver=self._resolver,
            certificate_authority=self.image.authority,
        )

    def _remember_failure(self) -> None:
        """Copy the bootloader's record of a failed build before the next update erases it."""
        with engine_refuses():
            failed = self.slots.failed_build
        if failed is None:
            return
        counter, known = self._count(failed), load_failed(self.state)
        if counter not in known:
            store_failed(self.state, (*known, counter))

    def _count(self, build: BuildFacts) -> int:
        return load_counter(self.state, build.counter, build.post_timestamp)
