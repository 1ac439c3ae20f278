"""A wall clock that jumps, and the doubt that is stored. The clocks are simulated."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, Gauge

from server.core.errors import FormatError
from server.core.pointer import decode_pointer
from server.publisher.expiry.clock import (
    ClockKeeper,
    ClockRecord,
    SteadyClock,
    load_clock_record,
    load_witness,
    write_clock_record,
)
from server.publisher.plan import newest_signature
from server.publisher.publisher import Publisher
from server.storage.layout import StateFolder

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Machine:
    """A simulated wall clock and monotonic clock."""

    def __init__(self):
        self.wall, self.ticks, self.alarms, self.messages = BEGIN, 100.0, [], []
        self.clock = self.start()
        self.clock()

    def start(self, since=None):
        """Return the steady clock of a process that starts now."""
        return SteadyClock(
            lambda: self.wall, lambda: self.ticks, self.alarms.append, self.messages.append, since
        )

    def wait(self, seconds, jump=0.0):
        """Advance both clocks and let the wall clock jump; return the steady seconds."""
        self.ticks += seconds
        self.wall += timedelta(seconds=seconds + jump)
        return (self.clock() - BEGIN).total_seconds()


def test_normal_clock():
    """A normal clock is used as it is, including corrections below a minute, without a message."""
    machine = Machine()
    assert machine.wait(10) == 10
    assert machine.wait(3600, jump=59) == 3669
    assert machine.wait(10, jump=-59) == 3620
    assert machine.alarms == []


@pytest.mark.parametrize("jump", [61.0, -61.0, 43_200.0, -86_400.0 * 365])
def test_jump_is_accepted_after_ten_minutes(jump):
    """After a jump, the old time continues for ten minutes; then the new time is used."""
    machine = Machine()
    assert machine.wait(5) == 5
    assert machine.wait(1, jump) == 6
    assert machine.wait(598) == 604
    assert machine.wait(1) == 605
    assert machine.wait(1) == 606 + jump
    assert machine.wait(10) == 616 + jump
    assert len(machine.alarms) == 1
    assert f"jumped by {jump:+.0f} s" in machine.alarms[0]
    assert machine.messages == ["the clock was steady for 10 minutes: its time is used now."]


@pytest.mark.parametrize("jump", [43_260.0, 86_400.0 * 365])
def test_jump_far_ahead_needs_a_confirmation(jump):
    """After a jump far ahead, the old time continues until an operator confirms the new one."""
    machine = Machine()
    assert machine.wait(1, jump) == 1
    assert machine.clock.is_doubted
    assert machine.wait(7 * 86_400) == 7 * 86_400 + 1
    assert machine.clock.ahead.total_seconds() == jump
    machine.clock.confirm()
    assert not machine.clock.is_doubted
    assert machine.wait(1) == 7 * 86_400 + 2 + jump
    assert machine.clock.ahead == timedelta()
    assert len(machine.alarms) == 1
    assert "until an operator runs `hening-server clock confirm`" in machine.alarms[0]
    assert machine.messages == ["the clock was confirmed: its time is used from now on."]


def test_sum_of_jumps_counts():
    """The sum of several jumps counts: together they can be too far ahead."""
    machine = Machine()
    for _ in range(2):
        machine.wait(1, jump=30_000)
    assert machine.wait(600) == 602
    assert machine.clock.is_doubted


def test_jump_back_to_the_old_time():
    """A clock that jumps back to the old time is used immediately, and a doubt ends."""
    machine = Machine()
    assert machine.wait(1, jump=7200) == 1
    assert machine.wait(60, jump=-7200) == 61
    assert machine.wait(1) == 62
    assert len(machine.alarms) == 2
    machine.messages.clear()
    machine.wait(1, jump=86_400)
    assert machine.wait(3600, jump=-86_400) == 3663
    assert not machine.clock.is_doubted
    assert machine.messages == ["the clock is back where it was before it jumped."]


def test_doubt_survives_a_restart():
    """A new process continues from the newest signature; a corrected clock is used immediately."""
    machine = Machine()
    machine.wait(1, jump=86_400 * 30)
    clock = machine.start(since=BEGIN)
    assert clock() == BEGIN
    assert clock.is_doubted
    machine.wall -= timedelta(days=30)
    assert machine.start(since=BEGIN)() == machine.wall


def test_second_jump_restarts_the_ten_minutes():
    """A second jump restarts the ten minutes."""
    machine = Machine()
    machine.wait(1, jump=7200)
    assert machine.wait(599, jump=7200) == 600
    assert machine.wait(599) == 1199
    assert machine.wait(1) == 1200 + 14_400


def test_expiry_never_becomes_earlier(world):
    """With a clock set back by a day, changes are published and no expiry becomes earlier."""
    before = world.published()
    world.ahead = timedelta(days=-1)
    world.run(lambda publisher: Publisher.change_pointers(publisher, halt_all))
    after = world.published()
    assert after.timestamp.version == before.timestamp.version + 1
    assert newest_signature(after) == newest_signature(before)
    assert after.timestamp.expires >= before.timestamp.expires
    assert after.roles["latest"].expires >= before.roles["latest"].expires
    assert world.run(Publisher.refresh) == ""
    world.ahead = timedelta(hours=2)
    assert world.run(Publisher.refresh) == "timestamp"
    assert world.published().timestamp.expires > after.timestamp.expires


def halt_all(published):
    """Return the pointers, all halted."""
    latest = published.roles["latest"]
    return {
        path: decode_pointer(path, target.unrecognized_fields["custom"] | {"h": True})
        for path, target in latest.targets.items()
    }


DAY = 86_400


class WatchedMachine(Machine):
    """A simulated machine whose clock has a keeper."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.gauge = Gauge("ahead", "Seconds", registry=CollectorRegistry())
        self.keeper = ClockKeeper(
            folder, lambda: self.wall, self.clock, self.gauge, self.alarms.append
        )

    def poll(self):
        """Run the keeper's check once."""
        return asyncio.run(self.keeper.poll())

    @property
    def ahead(self):
        """The metric's value in seconds."""
        return self.gauge.collect()[0].samples[0].value


@pytest.fixture
def machine(tmp_path):
    """Return a machine with a simulated clock."""
    return WatchedMachine(StateFolder(tmp_path))


def test_doubt_is_reported_until_confirmed(machine):
    """A doubt sets the metric, is logged immediately and daily, and is stored on disk.

    A confirmation ends all of this.
    """
    machine.poll()
    machine.wait(10, jump=30 * DAY)
    (alarm,) = machine.poll()
    assert "2026-01-31 00:00 UTC and is not believed" in alarm
    assert "hening-server clock confirm" in alarm
    assert machine.ahead == 30 * DAY
    assert load_clock_record(machine.folder).is_doubted
    assert len(machine.alarms) == 1
    machine.wait(DAY - 1)
    machine.poll()
    assert len(machine.alarms) == 1
    machine.wait(2)
    machine.poll()
    assert len(machine.alarms) == 2
    record = load_clock_record(machine.folder)
    confirmed = ClockRecord(record.doubted, int(machine.wall.timestamp()))
    write_clock_record(machine.folder, confirmed)
    assert machine.poll() == []
    assert machine.ahead == 0
    assert machine.clock() == machine.wall
    assert not load_clock_record(machine.folder).is_doubted


def test_old_confirmation_does_not_cover_a_later_jump(machine):
    """An old confirmation does not cover a later jump."""
    write_clock_record(machine.folder, ClockRecord(0, int(BEGIN.timestamp()) - 30 * DAY))
    machine.poll()
    machine.wait(10, jump=30 * DAY)
    assert len(machine.poll()) == 1
    assert machine.clock.is_doubted


def test_corrected_clock_removes_the_doubt(machine):
    """When the clock is correct again, the stored doubt is removed."""
    machine.poll()
    machine.wait(10, jump=30 * DAY)
    machine.poll()
    machine.wait(10, jump=-30 * DAY)
    assert machine.poll() == []
    assert load_clock_record(machine.folder) == ClockRecord()


def test_damaged_clock_record(machine):
    """A damaged record raises an alarm that says what to do, and the checks continue."""
    machine.folder.clock.write_text("{}!")
    assert machine.poll() == ["clock.json is malformed: remove it."]
    with pytest.raises(FormatError, match="remove it"):
        load_clock_record(machine.folder)


def test_load_witness(world):
    """The clock's witness is the newest signature, or a later confirmation.

    A new folder has no witness.
    """
    assert load_witness(StateFolder(world.folder.root / "none")).time is None
    published = world.published()
    signed = load_witness(world.folder).time
    assert signed == published.timestamp.expires - timedelta(days=1)
    later = int(signed.timestamp()) + 5
    write_clock_record(world.folder, ClockRecord(0, later))
    assert int(load_witness(world.folder).time.timestamp()) == later
