"""Tails of distributions are those that SciPy 1.16 and numerical integration give."""

import pytest

from client_sim.lab.oracles.chance import (
    tail_of_chi_square,
    tail_of_kolmogorov,
    tail_of_normal,
    tail_of_rayleigh,
)
from tests.cases import case


def test_the_normal_distribution_has_two_tails():
    """`2 * scipy.stats.norm.sf`."""
    for z, tail in (
        (0, 1.0),
        (1, 0.31731050786291415),
        (4.5, 6.795346249e-06),
        (-7, 2.55962508777e-12),
    ):
        with case(z, tail):
            assert tail_of_normal(z) == pytest.approx(tail, rel=1e-9)


def test_chi_square_of_one_degree():
    """`scipy.stats.chi2.sf`."""
    for x, tail in (
        (0.0, 1.0),
        (0.5, 0.479500122187),
        (3.84, 0.0500435212488),
        (40, 2.53962848947e-10),
    ):
        with case(x, tail):
            assert tail_of_chi_square(x) == pytest.approx(tail, rel=1e-9)


def test_kolmogorov_is_close_to_the_exact_distribution():
    """`scipy.stats.kstwo.sf`, within a fifth even where it is very small."""
    for distance, count, tail in (
        (0.5, 8, 0.02259063720703125),
        (0.3, 50, 0.00017353260202718738),
        (0.15, 400, 2.5400354626118724e-08),
        (0.1, 1000, 3.703687096817711e-09),
    ):
        with case(distance, count, tail):
            assert tail_of_kolmogorov(distance, count) == pytest.approx(tail, rel=0.2)


def test_the_limit_of_kolmogorov_is_that_of_smirnov():
    """His table of 1948, for x = 0.5 and on; of 100 values x is 10.131 times the distance."""
    for x, tail in (
        (0.5, 0.963945),
        (0.8, 0.544142),
        (1.0, 0.270000),
        (1.5, 0.022218),
        (2.0, 0.000671),
    ):
        with case(x, tail):
            assert tail_of_kolmogorov(x / 10.131, 100) == pytest.approx(tail, abs=1e-6)


def test_kolmogorov_ends_at_one():
    """A distance of nothing is certain."""
    assert tail_of_kolmogorov(0.0, 100) == 1.0
    assert tail_of_kolmogorov(0.019, 100) == 1.0
    assert tail_of_kolmogorov(0.03, 100) == pytest.approx(1.0, abs=1e-4)
    assert tail_of_kolmogorov(1.0, 100) < 1e-80


def test_rayleigh_is_close_to_the_walk_of_pearson():
    """1 - r times the integral of J1(r t) J0(t)^n, by Gauss and Legendre with 4,000 nodes."""
    for mean, count, tail in (
        (0.5, 8, 0.13534729547518054),
        (0.3, 40, 0.02631497606300659),
        (0.5, 40, 2.540480744572804e-05),
        (0.3, 100, 0.00010458713587346846),
        (0.45, 100, 5.661636715004192e-10),
    ):
        with case(mean, count, tail):
            assert tail_of_rayleigh(mean * count, count) == pytest.approx(tail, rel=0.05)
            assert tail_of_rayleigh(0.0, count) == 1.0
