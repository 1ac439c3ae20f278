"""Tails of distributions are those that SciPy 1.16 and numerical integration give."""

import pytest

from client_sim.lab.oracles.chance import (
    tail_of_chi_square,
    tail_of_kolmogorov,
    tail_of_normal,
    tail_of_rayleigh,
)


@pytest.mark.parametrize(
    ("z", "tail"),
    [(0, 1.0), (1, 0.31731050786291415), (4.5, 6.795346249e-06), (-7, 2.55962508777e-12)],
)
def test_the_normal_distribution_has_two_tails(z, tail):
    """`2 * scipy.stats.norm.sf`."""
    assert tail_of_normal(z) == pytest.approx(tail, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "tail"),
    [(0.0, 1.0), (0.5, 0.479500122187), (3.84, 0.0500435212488), (40, 2.53962848947e-10)],
)
def test_chi_square_of_one_degree(x, tail):
    """`scipy.stats.chi2.sf`."""
    assert tail_of_chi_square(x) == pytest.approx(tail, rel=1e-9)


@pytest.mark.parametrize(
    ("distance", "count", "tail"),
    [
        (0.5, 8, 0.02259063720703125),
        (0.3, 50, 0.00017353260202718738),
        (0.15, 400, 2.5400354626118724e-08),
        (0.1, 1000, 3.703687096817711e-09),
    ],
)
def test_kolmogorov_is_close_to_the_exact_distribution(distance, count, tail):
    """`scipy.stats.kstwo.sf`, within a fifth even where it is very small."""
    assert tail_of_kolmogorov(distance, count) == pytest.approx(tail, rel=0.2)


@pytest.mark.parametrize(
    ("x", "tail"),
    [(0.5, 0.963945), (0.8, 0.544142), (1.0, 0.270000), (1.5, 0.022218), (2.0, 0.000671)],
)
def test_the_limit_of_kolmogorov_is_that_of_smirnov(x, tail):
    """His table of 1948, for x = 0.5 and on; of 100 values x is 10.131 times the distance."""
    assert tail_of_kolmogorov(x / 10.131, 100) == pytest.approx(tail, abs=1e-6)


def test_kolmogorov_ends_at_one():
    """A distance of nothing is certain."""
    assert tail_of_kolmogorov(0.0, 100) == 1.0
    assert tail_of_kolmogorov(0.019, 100) == 1.0
    assert tail_of_kolmogorov(0.03, 100) == pytest.approx(1.0, abs=1e-4)
    assert tail_of_kolmogorov(1.0, 100) < 1e-80


@pytest.mark.parametrize(
    ("mean", "count", "tail"),
    [
        (0.5, 8, 0.13534729547518054),
        (0.3, 40, 0.02631497606300659),
        (0.5, 40, 2.540480744572804e-05),
        (0.3, 100, 0.00010458713587346846),
        (0.45, 100, 5.661636715004192e-10),
    ],
)
def test_rayleigh_is_close_to_the_walk_of_pearson(mean, count, tail):
    """1 - r times the integral of J1(r t) J0(t)^n, by Gauss and Legendre with 4,000 nodes."""
    assert tail_of_rayleigh(mean * count, count) == pytest.approx(tail, rel=0.05)
    assert tail_of_rayleigh(0.0, count) == 1.0
