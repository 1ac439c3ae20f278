"""Statistics of two populations are those of other programs."""

import math

import pytest

from client_sim.lab.oracles.populations import find_distance, find_welch

ONE = [17, 42, 3, 99, 58, 23, 71, 64]
OTHER = [12, 45, 33, 87, 90, 101, 54, 61, 29, 77]


def test_statistics_are_those_of_scipy():
    """`scipy.stats.ttest_ind` with unequal variances, and `ks_2samp`."""
    assert find_welch(ONE, OTHER) == pytest.approx(-0.8041544181292525)
    assert find_distance(ONE, OTHER) == pytest.approx(0.275)
    assert find_distance(OTHER, ONE) == pytest.approx(0.275)
    assert find_distance([1, 2], [3, 4]) == 1.0


def test_populations_that_do_not_vary_have_a_limit():
    """Without spread any difference is infinite."""
    assert find_welch([2, 2], [1, 1]) == math.inf
    assert find_welch([1, 1], [2, 2]) == -math.inf
    assert math.isnan(find_welch([1, 1], [1, 1]))
