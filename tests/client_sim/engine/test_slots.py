import hashlib
from dataclasses import replace

import pytest

from client_sim.engine.apply import PartitionResult
from client_sim.engine.boot_state import EMPTY_SLOT, BuildFacts, encode_boot_state
from client_sim.engine.errors import SlotError
from client_sim.engine.slots import MAX_TRIES, BootOutcome, Slots
from tests.cases import case
from tests.client_sim.engine.images import noise
from tests.client_sim.engine.power_cut import CountingDisk, DyingDisk, PowerCut

OLD = BuildFacts("old", "1", 1, 1000, "2026-01-05")
NEW = BuildFacts("new", "2", 2, 2000, "2026-03-05")
NEW_IMAGE = noise(2, 1)
PACKAGE = "1" * 64
NEW_PARTITIONS = (PartitionResult("system", len(NEW_IMAGE), hashlib.sha256(NEW_IMAGE).hexdigest()),)


def healthy(_):
    """Every build starts."""
    return True


def only_old(build):
    """Only the old build starts."""
    return build == OLD


@pytest.fixture
def images(tmp_path):
    """Make the images of the factory."""
    paths = {}
    for seed, name in enumerate(("system", "product")):
        paths[name] = tmp_path / f"factory-{name}"
        paths[name].write_bytes(noise(seed, 1))
    return paths


@pytest.fixture
def slots(tmp_path, images):
    """Make a phone from the factory."""
    return _make_phone(tmp_path / "phone", images)


def _make_phone(folder, images):
    made = Slots(folder)
    made.flash_factory(images, OLD)
    return made


def update(slots, build=NEW, image=NEW_IMAGE):
    """Write another build into the inactive slot, without switching."""
    slots.begin_update()
    target = slots.target_directory / "system.img"
    with slots.disk.create(target) as file:
        slots.disk.write_at(file, 0, image)
        slots.disk.sync(file)
    slots.finish_update(build, PACKAGE, NEW_PARTITIONS)


def test_a_phone_from_the_factory_boots(slots, images):
    """The factory's build is confirmed in slot a.

    A flashed phone is not flashed again, and a folder without a phone has no state.
    """
    assert slots.boot(healthy) == BootOutcome(OLD)
    assert slots.running_build == OLD
    for name, path in images.items():
        assert slots.image_path(name).read_bytes() == path.read_bytes()
    state = slots.state
    assert (state.active, state.running, state.slots["b"]) == ("a", "a", EMPTY_SLOT)
    assert [part.size for part in state.slots["a"].partitions] == [4096, 4096]
    with pytest.raises(SlotError, match="flashed already"):
        slots.flash_factory(images, OLD)
    elsewhere = Slots(slots.directory / "elsewhere")
    with pytest.raises(SlotError, match="flash it first"):
        _ = elsewhere.state
    assert not elsewhere.is_flashed


def test_partition_names_are_no_paths(tmp_path, images):
    """A name that is a path is refused before any write."""
    for name in ("../a", "a/b", "", "a.b"):
        with case(name), pytest.raises(SlotError, match="not a name"):
            Slots(tmp_path / "other").flash_factory({name: images["system"]}, OLD)
        assert not (tmp_path / "other").exists()


def test_an_update_boots_after_the_switch(slots):
    """The new build runs after switch and boot, and stays once it is confirmed."""
    update(slots)
    assert slots.boot(healthy) == BootOutcome(OLD)
    slots.switch()
    assert slots.running_build == OLD
    assert slots.boot(healthy) == BootOutcome(NEW)
    assert slots.running_build == NEW
    assert slots.state.slots["b"].tries_remaining == MAX_TRIES - 1
    slots.mark_successful()
    assert slots.state.slots["b"].tries_remaining == 0
    for _ in range(MAX_TRIES + 1):
        assert slots.boot(healthy) == BootOutcome(NEW)
    assert slots.state.slots["a"].successful


def test_build_that_does_not_start(slots):
    """After three tries the old build runs, and outcome and slots name the failed one."""
    update(slots)
    slots.switch()
    seen = []
    outcome = slots.boot(lambda build: seen.append(build.fingerprint) or build == OLD)
    assert seen == ["new", "new", "new", "old"]
    assert outcome == BootOutcome(OLD, NEW, "it did not come up in 3 tries")
    assert slots.failed_build == NEW
    assert slots.boot(healthy) == BootOutcome(OLD)
    with pytest.raises(SlotError, match="did not boot"):
        slots.switch()
    slots.begin_update()
    assert slots.failed_build is None


def test_tries_are_counted_before_they_are_made(slots):
    """A build that loses power at each boot, or is never confirmed, is given up as well."""

    def dies(build):
        if build == NEW:
            raise PowerCut
        return True

    update(slots)
    slots.switch()
    for left in (2, 1, 0):
        with pytest.raises(PowerCut):
            slots.boot(dies)
        assert Slots(slots.directory).state.slots["b"].tries_remaining == left
    assert slots.boot(dies) == BootOutcome(OLD, NEW, "it did not come up in 3 tries")
    update(slots)
    slots.switch()
    for _ in range(MAX_TRIES):
        assert slots.boot(healthy).build == NEW
    outcome = slots.boot(healthy)
    assert (outcome.build, outcome.failed_build) == (OLD, NEW)


def test_a_changed_partition_is_not_booted(tmp_path, images):
    """The phone falls back from a changed image without trying it."""
    for change in (
        lambda data: data[:-1] + b"\0",
        lambda data: data[:-1],
        lambda data: data + b"\0",
    ):
        slots = _make_phone(tmp_path / str(len(list(tmp_path.iterdir()))), images)
        update(slots)
        slots.switch()
        path = slots.directory / "b" / "system.img"
        path.write_bytes(change(path.read_bytes()))
        why = "its partition system is not what was installed"
        assert slots.boot(healthy) == BootOutcome(OLD, NEW, why)


def test_a_confirmed_build_that_breaks(slots):
    """The older build starts, as long as no other update has begun.

    With only one build the error names the slot, and the state does not change.
    """
    before = slots.state
    with pytest.raises(SlotError, match="Slot a does not boot"):
        slots.boot(lambda _: False)
    assert slots.state == before
    update(slots)
    slots.switch()
    slots.boot(healthy)
    slots.mark_successful()
    assert slots.boot(only_old) == BootOutcome(OLD, NEW, "it no longer starts")


def test_only_a_finished_update_is_switched_to(slots):
    """An empty or incomplete slot is refused, and an update is finished once."""
    with pytest.raises(SlotError, match="no complete build"):
        slots.switch()
    slots.begin_update()
    with pytest.raises(SlotError, match="no complete build"):
        slots.switch()
    update(slots)
    with pytest.raises(SlotError, match="No update has begun"):
        slots.finish_update(NEW, PACKAGE, NEW_PARTITIONS)


def test_no_update_begins_before_the_running_build_is_confirmed(slots):
    """The older build is kept while it may be needed."""
    update(slots)
    slots.switch()
    slots.boot(healthy)
    with pytest.raises(SlotError, match="not confirmed"):
        slots.begin_update()
    assert slots.state.slots["a"].bootable


def test_update_before_a_switch_was_booted(slots):
    """An update that begins between switch and reboot leaves the running build active."""
    update(slots)
    slots.switch()
    slots.begin_update()
    state = slots.state
    assert (state.active, state.running, state.slots["b"]) == ("a", "a", EMPTY_SLOT)
    assert list((slots.directory / "b").iterdir()) == []


def test_order_of_durable_steps(slots):
    """A new state is written to another file, synced and renamed, then the folder is synced.

    The state already says unbootable when an image of that slot is removed.
    """
    update(slots)
    slots.switch()
    slots.boot(healthy)
    disk = CountingDisk()
    Slots(slots.directory, disk=disk).mark_successful()
    assert disk.steps == ["create", "write", "sync", "replace", "sync_directory"]
    seen = []

    class Watching(CountingDisk):
        def remove(self, path):
            seen.append(Slots(slots.directory).state.slots["a"])
            super().remove(path)

    Slots(slots.directory, disk=Watching()).begin_update()
    assert seen == [EMPTY_SLOT, EMPTY_SLOT]


def test_a_power_cut_while_flashing_leaves_an_empty_phone(tmp_path, images):
    """After a cut at any step the folder is flashed, or can be flashed again."""
    counting = CountingDisk()
    Slots(tmp_path / "counted", disk=counting).flash_factory(images, OLD)
    for last in range(len(counting.steps)):
        folder = tmp_path / f"phone-{last}"
        with pytest.raises(PowerCut):
            Slots(folder, disk=DyingDisk(last)).flash_factory(images, OLD)
        again = Slots(folder)
        if not again.is_flashed:
            again.flash_factory(images, OLD)
        assert again.boot(healthy) == BootOutcome(OLD)


def _update_and_confirm(slots):
    """Update, switch, boot and confirm."""
    update(slots)
    slots.switch()
    slots.boot(healthy)
    slots.mark_successful()


def test_a_power_cut_at_any_step_leaves_a_phone_that_boots(tmp_path, images):
    """The cuts are at each step from the update's first write to its confirmation."""
    _make_phone(tmp_path / "counted", images)
    counting = CountingDisk()
    _update_and_confirm(Slots(tmp_path / "counted", disk=counting))
    assert len(counting.steps) > 25
    booted = []
    for last in range(len(counting.steps)):
        folder = tmp_path / f"phone-{last}"
        _make_phone(folder, images)
        with pytest.raises(PowerCut):
            _update_and_confirm(Slots(folder, disk=DyingDisk(last)))
        phone = Slots(folder)
        outcome = phone.boot(healthy)
        assert outcome.failed_build is None
        booted.append(outcome.build)
        phone.mark_successful()
        if outcome.build == OLD:
            _update_and_confirm(phone)
        assert phone.boot(healthy).build == NEW
    # The old build until the switch's rename, the new one after it.
    assert booted == sorted(booted, key=lambda build: build.counter)
    assert {build.counter for build in booted} == {1, 2}


def test_power_cut_while_falling_back(tmp_path, images):
    """After a cut at any step of the fallback the old build runs."""
    for last in range(40):
        phone = _make_phone(tmp_path / f"phone-{last}", images)
        update(phone)
        phone.switch()
        try:
            Slots(phone.directory, disk=DyingDisk(last)).boot(only_old)
        except PowerCut:
            assert phone.boot(only_old).build == OLD
            assert phone.failed_build == NEW
        else:
            break
    # Three tries and the fallback, each an atomic replacement in five steps.
    assert last == 4 * 5


def test_boot_state_with_an_empty_active_slot(slots):
    """The phone falls back from an active slot without a build."""
    state = slots.state
    broken = replace(state, active="b")
    (slots.directory / "boot.json").write_bytes(encode_boot_state(broken))
    assert slots.boot(healthy) == BootOutcome(OLD, None, "it holds no build that can be booted")
    (slots.directory / "boot.json").write_bytes(encode_boot_state(replace(state, running="b")))
    with pytest.raises(SlotError, match="holds no build"):
        _ = slots.running_build


def test_find_ready(slots):
    """Another package, a damaged slot, and a build that failed are not ready."""
    update(slots)
    assert slots.find_ready(NEW, "2" * 64) is None
    assert slots.find_ready(NEW, PACKAGE) == NEW_PARTITIONS
    (slots.target_directory / "system.img").write_bytes(bytes(len(NEW_IMAGE)))
    assert slots.find_ready(NEW, PACKAGE) is None
    update(slots)
    slots.switch()
    assert slots.boot(only_old).failed_build == NEW
    assert slots.find_ready(NEW, PACKAGE) is None
