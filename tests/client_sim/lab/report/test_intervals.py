"""Measures of intervals, by hand."""

import math

import pytest

from client_sim.lab.report.intervals import cumulate, measure_intervals

EVEN = [14_400 + 14_400 * (step + 0.5) / 160 for step in range(160)]


def test_even_intervals():
    """Ten in each bin; no direction; the curves are half a step apart."""
    measured = measure_intervals(EVEN)
    assert measured.counts == (10,) * 16
    assert measured.concentration == pytest.approx(0, abs=1e-9)
    assert measured.distance == pytest.approx(0.5 / 160)
    assert (measured.outside, measured.total) == (0, 160)


def test_a_habit():
    """Always a quarter of the window: all in one bin, an arrow of length one to the side."""
    measured = measure_intervals([18_000.0] * 40)
    assert measured.counts[4] == 40
    assert measured.concentration == pytest.approx(1)
    assert measured.direction == pytest.approx(math.pi / 2)
    assert measured.distance == pytest.approx(0.75)
    assert measured.concentration > measured.concentration_bound
    assert measured.distance > measured.distance_bound


def test_bounds():
    """Dvoretzky-Kiefer-Wolfowitz and Rayleigh at one in a million, for 160 draws."""
    measured = measure_intervals(EVEN)
    assert measured.distance_bound == pytest.approx(math.sqrt(math.log(2e6) / 320))
    assert measured.concentration_bound == pytest.approx(math.sqrt(math.log(1e6) / 160))


def test_the_edges_of_the_window_are_inside():
    """Four and eight hours may be drawn; a second less or more may not."""
    measured = measure_intervals([14_399, 14_400, 28_800, 28_801])
    assert measured.counts == (1, *([0] * 14), 1)
    assert measured.outside == 2


def test_no_intervals():
    """Nothing to measure."""
    assert measure_intervals([]) is None


def test_the_cumulative_curve():
    """Two of four intervals are at most six hours."""
    assert cumulate([14_400, 21_600, 21_601, 28_800], 2) == ((0, 0.25), (0.5, 0.5), (1, 1))
