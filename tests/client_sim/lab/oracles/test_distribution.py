"""Intervals that are not uniform, not independent or in phase are found; fresh draws are not.

Tails and distances are those of scipy and of tables.
"""

import hashlib
import math

import pytest

from client_sim.lab.oracles.distribution import (
    find_bit_planes,
    find_distance,
    find_runs,
    find_spread,
    find_welch,
    judge_concentration,
    judge_distribution,
    measure_concentration,
    tail_of_chi_square,
    tail_of_kolmogorov,
    tail_of_normal,
    tail_of_rayleigh,
)
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import decode_intervals
from client_sim.lab.trace.observation import Channel, Departure, Observation
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


def drawn(seed, number):
    """Give a number that looks random."""
    data = hashlib.sha256(b"%d %d" % (seed, number)).digest()
    return int.from_bytes(data[:8], "big")


def observe(dues, start=1e9):
    """Make polls, each due when the one before said."""
    departures = []
    for number, due in enumerate(dues, 1):
        data = repr(float(due)).encode()
        departures.append(Departure(start, f"poll {number}", Channel.SCHEDULE, -1, data))
        start = due
    return Observation(tuple(departures), (), (), (), None)


def walk(count, seed, step):
    """Make due times by adding intervals."""
    dues, at = [], 1e9
    for number in range(count):
        at += step(drawn(seed, number), at)
        dues.append(at)
    return observe(dues)


def afresh(draw, _at):
    """Draw as a clean phone does."""
    return 14_400 + draw % 14_401


def test_fresh_draws_have_no_phase():
    """In forty polls or four hundred."""
    for seed in range(20):
        with case(seed):
            assert judge_concentration(walk(40, seed, afresh)) == ()
            assert judge_concentration(walk(400, seed, afresh)) == ()


def test_a_phase_that_is_kept_is_found():
    """In the interval, the minute, the quarter of an hour, two hours, four hours."""
    for step, of in (
        (lambda _draw, _at: 20_000, "intervals"),
        (lambda draw, at: afresh(draw, at) // 60 * 60, "polls modulo 60 s"),
        (lambda draw, at: draw % 9000 // 900 * 900 + 18_000 - at % 900, "polls modulo 900 s"),
        (lambda _draw, at: 21_600 - (at - 1234) % 21_600 + 7200, "polls modulo 7200 s"),
        (lambda draw, at: 21_600 - (at - 1234) % 14_400 + draw % 900, "polls modulo 14400 s"),
    ):
        with case(step, of):
            found = judge_concentration(walk(40, 1, step))
            assert any(f.explanation.startswith(of) for f in found)
            assert {(f.channel, f.field) for f in found} == {("next poll", "interval")}


def test_the_length_is_that_of_the_mean_vector():
    """Quarters of an hour: two at 0, one at 90 degrees, one at 180: R is 1/4 in both axes."""
    seen = observe([1e9 + 800, 1e9 + 900 + 800, 1e9 + 1800 + 1025, 1e9 + 2700 + 1250])
    measured = {m.of: m for m in measure_concentration(decode_intervals(seen))}
    quarter = measured["polls modulo 900 s"]
    assert quarter.count == 4
    assert math.isclose(quarter.length, math.hypot(1, 1) / 4)


def test_the_threshold_follows_from_alpha():
    """Fifteen equal intervals alarm at 1e-9, fourteen do not; none are none."""
    still = [walk(count, 1, lambda _draw, _at: 20_000) for count in (14, 15)]
    assert not any(f.explanation.startswith("intervals") for f in judge_concentration(still[0]))
    assert any(f.explanation.startswith("intervals") for f in judge_concentration(still[1]))
    assert judge_concentration(walk(20, 1, lambda _draw, _at: 20_000), alpha=1e-30) == ()
    assert judge_concentration(observe([])) == ()


def test_a_finding_lists_the_due_times():
    """Word for word."""
    seen = walk(20, 1, lambda _draw, _at: 20_000)
    (found,) = [f for f in judge_concentration(seen) if f.explanation.startswith("intervals")]
    data = b" ".join(b"%d" % (1_000_000_000 + 20_000 * n) for n in range(1, 21))
    assert (found.where, found.data, found.offset, found.length) == (
        *("next poll", data, 0, len(data)),
    )


def test_exactly_at_its_share_of_alpha_there_is_no_finding():
    """A sixth of alpha is that of each statistic."""
    seen = walk(20, 1, lambda _draw, _at: 20_000)
    chances = {m.of: m.chance for m in measure_concentration(decode_intervals(seen))}
    at, above = (
        [f.explanation.split(" of ")[0] for f in judge_concentration(seen, alpha=alpha)]
        for alpha in (6 * chances["intervals"], 6.0001 * chances["intervals"])
    )
    assert "intervals" not in at
    assert "intervals" in above
