"""Latencies by the real clock."""

import pytest

from client_sim.fleet.stopwatch import Stopwatch
from client_sim.fleet.tally import Tally


def test_time_stands_still_while_the_process_does_something_else(monkeypatch):
    """Lost seconds are not counted."""
    monkeypatch.setattr("time.perf_counter", lambda: 100.0)
    stopwatch = Stopwatch(Tally())
    stopwatch.lost += 30.0
    assert stopwatch.read() == pytest.approx(70.0)


def test_a_latency_counts_for_each_poll():
    """What was noted is counted when it is asked for, or when there is much of it."""
    tally = Tally()
    stopwatch = Stopwatch(tally)
    stopwatch.note(0.5)
    stopwatch.note(0.001, 7)
    assert sum(tally.latencies.counts) == 0
    stopwatch.count()
    assert sum(tally.latencies.counts) == 8
    assert tally.latencies.quantile(0.5) < 0.002
    assert tally.latencies.quantile(1.0) >= 0.5
    stopwatch.note(0.001, 5000)
    assert sum(tally.latencies.counts) == 5008
