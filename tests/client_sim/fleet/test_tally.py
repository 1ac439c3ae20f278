"""Sums and latencies of a fleet."""

import pytest

from client_sim.fleet.tally import SIMULATED, Failure, Latencies, Stopwatch, Tally
from tests.cases import case


def test_quantiles():
    """A class ends at most 12.5 % above its begin; the worst of 100 answers is not averaged."""
    for seconds in (0.000_001, 0.000_37, 0.004_2, 0.09, 1.5, 29.0):
        with case(seconds):
            latencies = Latencies()
            latencies.add([seconds])
            assert seconds <= latencies.quantile(0.5) * 1.000_001 + 0.000_001
            assert latencies.quantile(0.5) <= seconds * 1.125 + 0.000_002
    latencies = Latencies()
    latencies.add([*[0.001] * 99, 1.0])
    for share, seconds in ((0.5, 0.001), (0.99, 0.001), (1.0, 1.0)):
        assert latencies.quantile(share) == pytest.approx(seconds, rel=0.13)
    assert Latencies().quantile(0.5) == 0.0


def test_workers_sums_are_added():
    """Numbers, failures, latencies and curves are added."""
    one, two = Tally(polls=2, sent=10), Tally(polls=3, sent=5)
    one.failures[Failure.CUT] = two.failures[Failure.CUT] = 1
    two.failures[Failure.BROKEN] = 4
    one.arrived_in[0], two.arrived_in[0], two.arrived_in[95] = 1, 2, 7
    one.latencies.add([0.001])
    two.latencies.add([0.001])
    one.merge(two)
    assert (one.polls, one.sent) == (5, 15)
    assert one.failures == {Failure.CUT: 2, Failure.BROKEN: 4}
    assert (one.arrived_in[0], one.arrived_in[95], sum(one.latencies.counts)) == (3, 7, 2)


def test_simulated_failures_are_not_the_servers():
    """Simulated bad networks and clocks are not counted as failures of the server."""
    tally = Tally()
    tally.failures.update(Failure)
    assert tally.server_failures() == len(Failure) - len(SIMULATED) == 9


def test_lost_time_is_not_measured(monkeypatch):
    """Seconds in which the process did something else are subtracted."""
    monkeypatch.setattr("time.perf_counter", lambda: 100.0)
    stopwatch = Stopwatch(Tally())
    stopwatch.excluded += 30.0
    assert stopwatch.read() == pytest.approx(70.0)


def test_a_latency_counts_for_each_poll():
    """Noted latencies are counted on request, or when there are many."""
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
