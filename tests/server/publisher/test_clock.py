"""A clock doubt is stored on disk until a person or the clock itself ends it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, Gauge

from server.core.errors import FormatError
from server.publisher.clock import (
    ClockKeeper,
    ClockRecord,
    load_clock_record,
    load_witness,
    write_clock_record,
)
from server.publisher.steady_clock import SteadyClock
from server.storage.layout import StateFolder

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400


class Machine:
    """A test clock, its keeper, and their messages."""

    def __init__(self, folder, since=None):
        self.folder, self.wall, self.ticks, self.said = folder, BEGIN, 0.0, []
        self.start(since)

    def start(self, since):
        """Start as a new process does."""
        self.steady = SteadyClock(
            lambda: self.wall, lambda: self.ticks, self.said.append, self.said.append, since
        )
        self.gauge = Gauge("ahead", "Seconds", registry=CollectorRegistry())
        self.keeper = ClockKeeper(
            self.folder, lambda: self.wall, self.steady, self.gauge, self.said.append
        )

    def wait(self, seconds, jump=0):
        """Let time pass, and the wall clock jump."""
        self.ticks += seconds
        self.wall += timedelta(seconds=seconds + jump)

    def look(self):
        """Run the keeper's check once."""
        return asyncio.run(self.keeper.poll())

    @property
    def ahead(self):
        """Return the metric's value."""
        return self.gauge.collect()[0].samples[0].value


@pytest.fixture
def machine(tmp_path):
    """Give a machine whose clock was checked once."""
    return Machine(StateFolder(tmp_path))


def test_a_clock_that_runs(machine):
    """Nothing is logged and nothing written."""
    assert machine.look() == []
    machine.wait(3600)
    assert machine.look() == []
    assert (machine.ahead, machine.said) == (0, [])
    assert not machine.folder.clock.exists()


def test_a_doubt_is_reported_until_confirmed(machine):
    """Metric, immediate and daily alarms, and a record on disk; a confirmation ends all of it."""
    machine.look()
    machine.wait(10, jump=30 * DAY)
    (alarm,) = machine.look()
    assert "2026-01-31 00:00 UTC and is not believed" in alarm
    assert "hening-server clock confirm" in alarm
    assert machine.ahead == 30 * DAY
    assert load_clock_record(machine.folder).is_doubted
    assert len(machine.said) == 1
    machine.wait(DAY - 1)
    machine.look()
    assert len(machine.said) == 1
    machine.wait(2)
    machine.look()
    assert len(machine.said) == 2
    record = load_clock_record(machine.folder)
    confirmed = ClockRecord(record.doubted, int(machine.wall.timestamp()))
    write_clock_record(machine.folder, confirmed)
    assert machine.look() == []
    assert machine.ahead == 0
    assert machine.steady() == machine.wall
    assert not load_clock_record(machine.folder).is_doubted


def test_a_confirmation_of_another_time_counts_for_nothing(machine):
    """A confirmation of last month does not cover a clock that jumps today."""
    write_clock_record(machine.folder, ClockRecord(0, int(BEGIN.timestamp()) - 30 * DAY))
    machine.look()
    machine.wait(10, jump=30 * DAY)
    assert len(machine.look()) == 1
    assert machine.steady.is_doubted


def test_a_clock_that_was_mended(machine):
    """The doubt is removed from disk: the next start must not find it."""
    machine.look()
    machine.wait(10, jump=30 * DAY)
    machine.look()
    machine.wait(10, jump=-30 * DAY)
    assert machine.look() == []
    assert load_clock_record(machine.folder) == ClockRecord()


def test_a_small_jump_is_no_doubt(machine):
    """The metric shows it while it settles."""
    machine.look()
    machine.wait(10, jump=3600)
    assert machine.look() == []
    assert machine.ahead == 3600
    machine.wait(601)
    machine.look()
    assert machine.ahead == 0


def test_a_damaged_record(machine):
    """It is an alarm with its remedy, and does not stop the checks."""
    machine.folder.clock.write_text("{}!")
    assert machine.look() == ["clock.json is malformed: remove it."]
    with pytest.raises(FormatError, match="remove it"):
        load_clock_record(machine.folder)


def test_what_vouches(world):
    """The newest signature, or a later confirmation; nothing in a new folder."""
    assert load_witness(StateFolder(world.folder.root / "none")).time is None
    published = world.published()
    signed = load_witness(world.folder).time
    assert signed == published.timestamp.expires - timedelta(days=1)
    later = int(signed.timestamp()) + 5
    write_clock_record(world.folder, ClockRecord(0, later))
    assert int(load_witness(world.folder).time.timestamp()) == later
