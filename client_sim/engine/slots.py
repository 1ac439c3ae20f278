"""The two slots of an A/B phone and its bootloader, in a folder.

    boot.json           the bootloader's state
    update/             the progress of an update (`journal.py`)
    a/PARTITION.img     the images of slot a
    b/PARTITION.img     the images of slot b

Every change of `boot.json` is one rename. Until `switch` the phone boots the running slot, whatever
happens to the other. After `switch` the old slot stays confirmed and intact until the next update
begins, so the phone can fall back from a build that does not boot.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from client_sim.engine.apply import PartitionResult, describe_result, has_content
from client_sim.engine.boot_state import (
    EMPTY_SLOT,
    MAX_STATE_BYTES,
    BootState,
    SlotName,
    SlotState,
    decode_boot_state,
    encode_boot_state,
)
from client_sim.engine.errors import ApplyError, SlotError
from client_sim.engine.journal import Disk, JournalFolder
from client_sim.engine.manifest import PARTITION_NAME, Manifest
from client_sim.engine.operations import Step, TargetImage, Workers
from client_sim.world import BuildFacts

# Boot attempts of a new build before the bootloader falls back.
MAX_TRIES: Final = 3

_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BootOutcome:
    """The result of a boot: the running build.

    `failed_build` is the build that this boot abandoned, and `reason` why; both are None normally.
    """

    build: BuildFacts
    failed_build: BuildFacts | None = None
    reason: str | None = None


class Slots:
    """The slots in `directory`; the state is read from and written to disk by every method."""

    def __init__(self, directory: Path, *, disk: Disk | None = None) -> None:
        self.directory = directory
        self.disk = disk or Disk()

    @property
    def is_flashed(self) -> bool:
        """Whether the folder contains a phone."""
        return self._state_path.is_file()

    @property
    def state(self) -> BootState:
        """The state on the disk; raises SlotError if it is missing or damaged."""
        if not self.is_flashed:
            raise SlotError("There is no build on this phone; flash it first.")
        with self._state_path.open("rb") as file:
            return decode_boot_state(file.read(MAX_STATE_BYTES + 1))

    @property
    def running_build(self) -> BuildFacts:
        """The build that runs."""
        state = self.state
        return _get_build(state.slots[state.running])

    @property
    def failed_build(self) -> BuildFacts | None:
        """The build in the other slot if it did not boot; kept until the next update begins."""
        state = self.state
        other = state.slots[_other(state.running)]
        return other.build if other.failed else None

    @property
    def target_directory(self) -> Path:
        """The folder of the inactive slot."""
        return self.directory / _other(self.state.running)

    @property
    def journal(self) -> JournalFolder:
        """The journal of an update's progress."""
        return JournalFolder(self.directory / "update", self.disk)

    @property
    def is_begun(self) -> bool:
        """Whether the other slot is empty, as `begin_update` leaves it."""
        state = self.state
        return state.active == state.running and state.slots[_other(state.running)] == EMPTY_SLOT

    def find_ready(self, build: BuildFacts, sha256: str) -> tuple[PartitionResult, ...] | None:
        """Return the partitions of the other slot if it has `build`, complete and not yet booted.

        So an installation that was interrupted after `finish_update` is not repeated. `sha256` is
        the package's: the result of another package does not count, even for the same build.
        """
        state = self.state
        name = _other(state.running)
        slot = state.slots[name]
        is_same = (slot.build, slot.package) == (build, sha256)
        is_waiting = is_same and not slot.failed and not slot.successful
        if not is_waiting or self._find_damage(name, slot) is not None:
            return None
        self.journal.clear()
        return slot.partitions

    def image_path(self, partition: str) -> Path:
        """Return the path of the running slot's image of a partition."""
        return self.directory / self.state.running / f"{partition}.img"

    def flash_factory(self, images: Mapping[str, Path], build: BuildFacts) -> None:
        """Copy images into slot a of an empty folder, as the factory does, and confirm it.

        Raises SlotError if the folder contains a phone, or a name is not a partition name.
        """
        if self.is_flashed:
            raise SlotError("This phone has been flashed already; remove its folder first.")
        for name in images:
            if not PARTITION_NAME.fullmatch(name):
                raise SlotError(f"{name!r} is not a name that a partition can have.")
        for slot in ("a", "b"):
            self.disk.make_directory(self.directory / slot)
        partitions = tuple(
            self._copy_image(name, path, self.directory / "a") for name, path in images.items()
        )
        self.disk.sync_directory(self.directory / "a")
        slot_a = replace(
            EMPTY_SLOT, bootable=True, successful=True, build=build, partitions=partitions
        )
        self._store(BootState("a", "a", {"a": slot_a, "b": EMPTY_SLOT}))

    def begin_update(self) -> None:
        """Make the other slot unbootable and empty it, so that it can be written.

        A switch that was not booted yet is reverted, and `failed_build` is cleared. Raises
        SlotError if the running build has not been confirmed: the phone must be able to fall back.
        """
        state = self.state
        if not state.slots[state.running].successful:
            raise SlotError("The running build is not confirmed yet; confirm it before updating.")
        target = _other(state.running)
        # The journal is removed first, because it describes the slot's content.
        self.journal.clear()
        # A crash before this leaves the old state. After it the slot cannot boot, whatever its
        # content is.
        self._store(replace(state, active=state.running, slots={**state.slots, target: EMPTY_SLOT}))
        for image in sorted((self.directory / target).glob("*.img")):
            self.disk.remove(image)
        self.disk.sync_directory(self.directory / target)

    def finish_update(
        self, build: BuildFacts, sha256: str, partitions: tuple[PartitionResult, ...]
    ) -> None:
        """Record durably that the other slot has `build`, whose `partitions` are written.

        `sha256` is the package's. Raises SlotError if no update has begun.
        """
        state = self.state
        target = _other(state.running)
        if state.slots[target] != EMPTY_SLOT:
            raise SlotError("No update has begun, so none can be finished.")
        ready = replace(EMPTY_SLOT, build=build, package=sha256, partitions=partitions)
        self._store(replace(state, slots={**state.slots, target: ready}))

    def switch(self) -> None:
        """Make the other slot the one to boot next, unconfirmed and with MAX_TRIES attempts.

        Raises SlotError if it has no complete build, or a build that did not boot.
        """
        state = self.state
        target = _other(state.running)
        slot = state.slots[target]
        if slot.build is None:
            raise SlotError("The other slot holds no complete build to switch to.")
        if slot.failed:
            raise SlotError("The build in the other slot did not boot, so it is not tried again.")
        slot = replace(slot, bootable=True, successful=False, tries_remaining=MAX_TRIES)
        self._store(replace(state, active=target, slots={**state.slots, target: slot}))

    def boot(self, is_healthy: Callable[[BuildFacts], bool]) -> BootOutcome:
        """Start the phone like a bootloader, and return the build that runs afterwards.

        The active slot is tried while its images are intact and attempts remain. Each attempt is
        counted before it is made; `is_healthy` says whether it succeeds. If the slot fails, the
        phone falls back to the other one, if that is confirmed. Raises SlotError if no slot boots.
        """
        failed_build = reason = None
        while True:
            state = self.state
            slot = state.slots[state.active]
            fault = self._find_fault(state.active, slot)
            if fault is None:
                if self._try(state, is_healthy):
                    return BootOutcome(_get_build(slot), failed_build, reason)
                if not slot.successful:
                    continue
                fault = "it no longer starts"
            failed_build, reason = slot.build, fault
            self._fall_back(state, fault)

    def mark_successful(self) -> None:
        """Confirm the running build; from now on it needs no tries."""
        state = self.state
        slot = replace(state.slots[state.running], successful=True, tries_remaining=0)
        self._store(replace(state, slots={**state.slots, state.running: slot}))

    @property
    def _state_path(self) -> Path:
        return self.directory / "boot.json"

    def _store(self, state: BootState) -> None:
        """Replace `boot.json` atomically."""
        self.disk.store(self._state_path, encode_boot_state(state))

    def _copy_image(self, name: str, path: Path, target: Path) -> PartitionResult:
        digest = hashlib.sha256()
        size = 0
        with path.open("rb") as source, self.disk.create(target / f"{name}.img") as file:
            while piece := source.read(_CHUNK):
                digest.update(piece)
                self.disk.write_at(file, size, piece)
                size += len(piece)
            self.disk.sync(file)
        return PartitionResult(name, size, digest.hexdigest())

    def _find_fault(self, name: SlotName, slot: SlotState) -> str | None:
        """Return the reason why the bootloader cannot start a slot, or None if it can."""
        if not slot.bootable or slot.build is None:
            return "it holds no build that can be booted"
        if not slot.successful and slot.tries_remaining == 0:
            return f"it did not come up in {MAX_TRIES} tries"
        return self._find_damage(name, slot)

    def _find_damage(self, name: SlotName, slot: SlotState) -> str | None:
        for partition in slot.partitions:
            path = self.directory / name / f"{partition.name}.img"
            if not has_content(path, partition.size, partition.sha256):
                return f"its partition {partition.name} is not what was installed"
        return None

    def _try(self, state: BootState, is_healthy: Callable[[BuildFacts], bool]) -> bool:
        slot = state.slots[state.active]
        if not slot.successful:
            slot = replace(slot, tries_remaining=slot.tries_remaining - 1)
            state = replace(state, slots={**state.slots, state.active: slot})
            # Counted before the attempt, so that a build that crashes the phone is not tried
            # without end.
            self._store(state)
        if not is_healthy(_get_build(slot)):
            return False
        if state.running != state.active:
            self._store(replace(state, running=state.active))
        return True

    def _fall_back(self, state: BootState, fault: str) -> None:
        other = _other(state.active)
        if not (state.slots[other].bootable and state.slots[other].successful):
            raise SlotError(
                f"Slot {state.active} does not boot ({fault}) and neither can the other."
            )
        failed_slot = replace(
            state.slots[state.active],
            bootable=False,
            successful=False,
            failed=True,
            tries_remaining=0,
        )
        # `active` and `running` change in one rename, so a restart here boots the other slot.
        self._store(
            replace(
                state, active=other, running=other, slots={**state.slots, state.active: failed_slot}
            )
        )


def _other(name: SlotName) -> SlotName:
    return "b" if name == "a" else "a"


def _get_build(slot: SlotState) -> BuildFacts:
    if slot.build is None:
        raise SlotError("The slot holds no build.")
    return slot.build


def create_images(manifest: Manifest, slots: Slots) -> None:
    """Create an image of zeros for each partition in the inactive slot, durably."""
    folder = slots.target_directory
    for partition in manifest.partitions:
        slots.disk.create(folder / f"{partition.name}.img", partition.new.size).close()
    slots.disk.sync_directory(folder)


def are_created(manifest: Manifest, slots: Slots) -> bool:
    """Tell whether the images exist with the sizes that `create_images` gives them."""
    paths = [
        (slots.target_directory / f"{partition.name}.img", partition.new.size)
        for partition in manifest.partitions
    ]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


@contextmanager
def opened_steps(manifest: Manifest, slots: Slots) -> Iterator[list[Step]]:
    """Open the images of all partitions and yield the list of steps in order."""
    folder = slots.target_directory
    with ExitStack() as stack:
        steps = []
        for partition in manifest.partitions:
            path = folder / f"{partition.name}.img"
            old = None
            if partition.old is not None:
                old = stack.enter_context(slots.image_path(partition.name).open("rb", buffering=0))
            new = stack.enter_context(path.open("r+b", buffering=0))
            image = TargetImage(partition, new, old)
            steps += [Step(operation, image) for operation in partition.operations]
        yield steps


def check_images(manifest: Manifest, slots: Slots) -> tuple[PartitionResult, ...]:
    """Read the new images back, several in parallel; raises ApplyError if a hash differs."""
    results = tuple(map(describe_result, manifest.partitions))
    folder = slots.target_directory

    def check(result: PartitionResult) -> None:
        if not has_content(folder / f"{result.name}.img", result.size, result.sha256):
            raise ApplyError(f"The new {result.name} is not what the package promises.")

    with Workers() as workers:
        for future in [workers.start(partial(check, result), 0) for result in results]:
            future.result()
    return results
