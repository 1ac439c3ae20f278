"""Intervals that are not uniform, or not independent, are found; fresh draws are not."""

import hashlib
import math

import pytest

from client_sim.lab.oracles.chance import tail_of_chi_square, tail_of_kolmogorov, tail_of_normal
from client_sim.lab.oracles.distribution import (
    find_bit_planes,
    find_runs,
    find_spread,
    judge_distribution,
)
from client_sim.lab.oracles.finding import Finding
from tests.cases import case


def draws(count, seed=1):
    """Give intervals that look drawn."""
    return [
        14_400.0 + int.from_bytes(hashlib.sha256(b"%d %d" % (seed, n)).digest()[:8], "big") % 14_401
        for n in range(count)
    ]


def test_fresh_draws_are_clean():
    """Whatever their number."""
    for seed in range(10):
        for count in (1, 2, 20, 500):
            with case(seed, count):
                assert judge_distribution(draws(count, seed)) == ()
                assert judge_distribution([]) == ()


def sorted_halves(count):
    """Alternate low and high."""
    values = sorted(draws(count))
    return [
        v for pair in zip(values[: count // 2], values[count // 2 :], strict=True) for v in pair
    ]


def test_a_pattern_is_named():
    """Bits, spread, order."""
    for seconds, names in (
        ([v - v % 2 for v in draws(60)], {"bit 0"}),
        ([v - v % 2 if n % 2 else v for n, v in enumerate(draws(400))], {"bit 0"}),
        ([14_400 + (int(v - 14_400) | 2048) for v in draws(60)], {"bit 11"}),
        ([14_400 + (v - 14_400) / 2 for v in draws(200)], {"spread"}),
        ([21_600 + (v - 14_400) / 2 for v in draws(200)], {"spread"}),
        (sorted(draws(100)), {"number of runs"}),
        (sorted_halves(100), {"number of runs"}),
        ([20_000.0] * 100, {"spread"}),
    ):
        with case(seconds, names):
            found = judge_distribution(seconds)
            assert all(any(f.explanation.startswith(f"{name} of") for f in found) for name in names)
            assert {(f.channel, f.field) for f in found} == {("next poll", "interval")}


def test_alpha_is_shared():
    """The same samples alarm or do not by the alpha."""
    assert judge_distribution([v - v % 2 for v in draws(60)], alpha=1e-30) == ()
    assert judge_distribution(draws(60), alpha=1.0) != ()


def test_a_plane_knows_its_share_of_the_range():
    """By counting: of 0 to 14400, bit 11 is set in 6209, bit 0 in 7200."""
    whole = [14_400.0 + v for v in range(14_401)]
    assert find_bit_planes(whole) == pytest.approx([0.0] * 12, abs=1e-9)
    zero, *_, eleven = find_bit_planes([14_401.0, 14_400.0, 14_401.0, 14_401.5])
    share = 7200 / 14_401
    assert zero == pytest.approx((3 - 4 * share) ** 2 / (4 * share * (1 - share)))
    share = sum(v >> 11 & 1 for v in range(14_401)) / 14_401
    assert eleven == pytest.approx((4 * share) ** 2 / (4 * share * (1 - share)))


def test_the_spread_is_that_of_scipy():
    """`scipy.stats.kstest` of the middles of seconds against the uniform distribution."""
    seconds = [
        *(14_400, 15_000, 16_123, 17_777, 18_900, 20_011),
        *(21_234, 22_222, 24_680, 25_555, 27_001, 28_800),
    ]
    assert find_spread(seconds) == pytest.approx(0.13032081105478788)
    assert find_spread(seconds[::-1]) == pytest.approx(0.13032081105478788)
    assert find_spread([14_399.0, 14_300.0]) == 1.0
    assert find_spread([30_000.0]) == 1.0


def test_runs_are_counted_by_hand():
    """1 9 2 8 3 7 about its median 7: 5 values left, - + - + -, 3 below and 2 above."""
    expected = 2 * 3 * 2 / 5 + 1
    variance = 12 * (12 - 5) / (25 * 4)
    assert find_runs([1, 9, 2, 8, 3, 7]) == pytest.approx((5 - expected) / math.sqrt(variance))
    assert math.isnan(find_runs([5.0, 5.0, 5.0]))
    assert math.isnan(find_runs([5.0]))
    assert math.isnan(find_runs([1.0, 5.0, 9.0]))


def names(seconds, alpha):
    """Say which statistics alarm."""
    return {
        f.explanation.split(" of 40 intervals")[0].removesuffix(" of the intervals")
        for f in judge_distribution(seconds, alpha)
    }


def test_each_statistic_has_its_share_of_alpha():
    """Half for the bits together, a quarter each for spread and runs; exactly at it is none."""
    seconds = draws(40, 3)
    shares = {
        f"bit {plane}": 24 * tail_of_chi_square(x)
        for plane, x in enumerate(find_bit_planes(seconds))
    }
    shares["spread"] = 4 * tail_of_kolmogorov(find_spread(seconds), 40)
    shares["number of runs"] = 4 * tail_of_normal(find_runs(seconds))
    for name, share in shares.items():
        assert name not in names(seconds, share)
        assert name in names(seconds, share * 1.0001)


def test_a_finding_lists_the_intervals():
    """Word for word."""
    seconds = [20_000.0] * 40
    found = {f.explanation.split(" of ")[0]: f for f in judge_distribution(seconds)}
    data = b" ".join([b"20000"] * 40)
    distance = find_spread(seconds)
    chance = 4 * tail_of_kolmogorov(distance, 40)
    assert found["spread"] == Finding(
        "next poll",
        "spread of 40 intervals is not that of fresh uniform draws, which FORMATS section 9 asks"
        f" for: statistic {distance:.4g}, chance {chance:.1g}",
        *(data, 0, len(data), None, "next poll", "interval"),
    )
