"""Intervals that are not uniform, not independent or in phase are found; fresh draws are clean.

Expected tails and distances come from scipy and from printed tables.
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


def test_tail_of_normal():
    """The values are those of `2 * scipy.stats.norm.sf`."""
    for z, tail in (
        (0, 1.0),
        (1, 0.31731050786291415),
        (4.5, 6.795346249e-06),
        (-7, 2.55962508777e-12),
    ):
        with case(z, tail):
            assert tail_of_normal(z) == pytest.approx(tail, rel=1e-9)


def test_tail_of_chi_square():
    """The values are those of `scipy.stats.chi2.sf` with one degree of freedom."""
    for x, tail in (
        (0.0, 1.0),
        (0.5, 0.479500122187),
        (3.84, 0.0500435212488),
        (40, 2.53962848947e-10),
    ):
        with case(x, tail):
            assert tail_of_chi_square(x) == pytest.approx(tail, rel=1e-9)


def test_tail_of_kolmogorov_is_close_to_the_exact_one():
    """It is within a fifth of `scipy.stats.kstwo.sf`, even where that is very small."""
    for distance, count, tail in (
        (0.5, 8, 0.02259063720703125),
        (0.3, 50, 0.00017353260202718738),
        (0.15, 400, 2.5400354626118724e-08),
        (0.1, 1000, 3.703687096817711e-09),
    ):
        with case(distance, count, tail):
            assert tail_of_kolmogorov(distance, count) == pytest.approx(tail, rel=0.2)


def test_tail_of_kolmogorov_in_smirnov_s_table():
    """The table of 1948 from x = 0.5 on; for 100 values x is 10.131 times the distance."""
    for x, tail in (
        (0.5, 0.963945),
        (0.8, 0.544142),
        (1.0, 0.270000),
        (1.5, 0.022218),
        (2.0, 0.000671),
    ):
        with case(x, tail):
            assert tail_of_kolmogorov(x / 10.131, 100) == pytest.approx(tail, abs=1e-6)


def test_tail_of_kolmogorov_at_its_ends():
    """A distance of 0 is certain, and a distance of 1 nearly impossible."""
    assert tail_of_kolmogorov(0.0, 100) == 1.0
    assert tail_of_kolmogorov(0.019, 100) == 1.0
    assert tail_of_kolmogorov(0.03, 100) == pytest.approx(1.0, abs=1e-4)
    assert tail_of_kolmogorov(1.0, 100) < 1e-80


def test_tail_of_rayleigh_is_close_to_pearson_s_walk():
    """1 - r times the integral of J1(r t) J0(t)^n, by Gauss-Legendre with 4,000 nodes."""
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


def test_welch_and_distance_of_two_samples():
    """The values are those of `ttest_ind` with unequal variances, and of `ks_2samp`."""
    assert find_welch(ONE, OTHER) == pytest.approx(-0.8041544181292525)
    assert find_distance(ONE, OTHER) == pytest.approx(0.275)
    assert find_distance(OTHER, ONE) == pytest.approx(0.275)
    assert find_distance([1, 2], [3, 4]) == 1.0


def test_welch_of_constant_samples():
    """Without variance any difference is infinite."""
    assert find_welch([2, 2], [1, 1]) == math.inf
    assert find_welch([1, 1], [2, 2]) == -math.inf
    assert math.isnan(find_welch([1, 1], [1, 1]))


def draws(count, seed=1):
    """Return intervals that look random."""
    return [
        14_400.0 + int.from_bytes(hashlib.sha256(b"%d %d" % (seed, n)).digest()[:8], "big") % 14_401
        for n in range(count)
    ]


def test_fresh_draws_are_clean():
    """Samples of 1 to 500 draws have no finding."""
    for seed in range(10):
        for count in (1, 2, 20, 500):
            with case(seed, count):
                assert judge_distribution(draws(count, seed)) == ()
                assert judge_distribution([]) == ()


def alternate(count):
    """Return draws that alternate between low and high values."""
    values = sorted(draws(count))
    return [
        v for pair in zip(values[: count // 2], values[count // 2 :], strict=True) for v in pair
    ]


def test_pattern_is_found():
    """Constant bits, a narrow range, an order and a constant are found."""
    for seconds, names in (
        ([v - v % 2 for v in draws(60)], {"bit 0"}),
        ([v - v % 2 if n % 2 else v for n, v in enumerate(draws(400))], {"bit 0"}),
        ([14_400 + (int(v - 14_400) | 2048) for v in draws(60)], {"bit 11"}),
        ([14_400 + (v - 14_400) / 2 for v in draws(200)], {"spread"}),
        ([21_600 + (v - 14_400) / 2 for v in draws(200)], {"spread"}),
        (sorted(draws(100)), {"number of runs"}),
        (alternate(100), {"number of runs"}),
        ([20_000.0] * 100, {"spread"}),
    ):
        with case(seconds, names):
            found = judge_distribution(seconds)
            assert all(any(f.explanation.startswith(f"{name} of") for f in found) for name in names)
            assert {(f.channel, f.field) for f in found} == {("next poll", "interval")}


def test_alpha_decides():
    """The same samples raise an alarm or not, depending on alpha."""
    assert judge_distribution([v - v % 2 for v in draws(60)], alpha=1e-30) == ()
    assert judge_distribution(draws(60), alpha=1.0) != ()


def test_bit_planes():
    """Of 0 to 14400, bit 11 is set in 6209 numbers and bit 0 in 7200."""
    whole = [14_400.0 + v for v in range(14_401)]
    assert find_bit_planes(whole) == pytest.approx([0.0] * 12, abs=1e-9)
    zero, *_, eleven = find_bit_planes([14_401.0, 14_400.0, 14_401.0, 14_401.5])
    share = 7200 / 14_401
    assert zero == pytest.approx((3 - 4 * share) ** 2 / (4 * share * (1 - share)))
    share = sum(v >> 11 & 1 for v in range(14_401)) / 14_401
    assert eleven == pytest.approx((4 * share) ** 2 / (4 * share * (1 - share)))


def test_spread():
    """The value is that of `scipy.stats.kstest` for the middles of seconds."""
    seconds = [
        *(14_400, 15_000, 16_123, 17_777, 18_900, 20_011),
        *(21_234, 22_222, 24_680, 25_555, 27_001, 28_800),
    ]
    assert find_spread(seconds) == pytest.approx(0.13032081105478788)
    assert find_spread(seconds[::-1]) == pytest.approx(0.13032081105478788)
    assert find_spread([14_399.0, 14_300.0]) == 1.0
    assert find_spread([30_000.0]) == 1.0


def test_runs():
    """1 9 2 8 3 7 around its median 7: 5 values are left, - + - + -, 3 below and 2 above."""
    expected = 2 * 3 * 2 / 5 + 1
    variance = 12 * (12 - 5) / (25 * 4)
    assert find_runs([1, 9, 2, 8, 3, 7]) == pytest.approx((5 - expected) / math.sqrt(variance))
    assert math.isnan(find_runs([5.0, 5.0, 5.0]))
    assert math.isnan(find_runs([5.0]))
    assert math.isnan(find_runs([1.0, 5.0, 9.0]))


def find_alarms(seconds, alpha):
    """Return the names of the statistics that raise an alarm."""
    return {
        f.explanation.split(" of 40 intervals")[0].removesuffix(" of the intervals")
        for f in judge_distribution(seconds, alpha)
    }


def test_each_statistic_has_its_share_of_alpha():
    """The bits share a half; spread and runs have a quarter each. Equality is no alarm."""
    seconds = draws(40, 3)
    shares = {
        f"bit {plane}": 24 * tail_of_chi_square(x)
        for plane, x in enumerate(find_bit_planes(seconds))
    }
    shares["spread"] = 4 * tail_of_kolmogorov(find_spread(seconds), 40)
    shares["number of runs"] = 4 * tail_of_normal(find_runs(seconds))
    for name, share in shares.items():
        assert name not in find_alarms(seconds, share)
        assert name in find_alarms(seconds, share * 1.0001)


def test_exact_finding_of_a_distribution():
    """The finding's data are the intervals."""
    seconds = [20_000.0] * 40
    found = {f.explanation.split(" of ")[0]: f for f in judge_distribution(seconds)}
    data = b" ".join([b"20000"] * 40)
    distance = find_spread(seconds)
    chance = 4 * tail_of_kolmogorov(distance, 40)
    assert found["spread"] == Finding(
        "next poll",
        "spread of 40 intervals is not that of fresh uniform draws, which FORMATS section 9"
        f" requires: statistic {distance:.4g}, chance {chance:.1g}",
        *(data, 0, len(data), None, "next poll", "interval"),
    )


def draw(seed, number):
    """Return a number that looks random."""
    data = hashlib.sha256(b"%d %d" % (seed, number)).digest()
    return int.from_bytes(data[:8], "big")


def observe(dues, start=1e9):
    """Make a run of polls at these due times."""
    departures = []
    for number, due in enumerate(dues, 1):
        data = repr(float(due)).encode()
        departures.append(Departure(start, f"poll {number}", Channel.SCHEDULE, -1, data))
        start = due
    return Observation(tuple(departures), (), (), (), None)


def walk(count, seed, step):
    """Make a run whose intervals `step` computes from a draw and the time."""
    dues, at = [], 1e9
    for number in range(count):
        at += step(draw(seed, number), at)
        dues.append(at)
    return observe(dues)


def draw_afresh(draw, _at):
    """Return an interval as a clean phone draws it."""
    return 14_400 + draw % 14_401


def test_fresh_draws_have_no_phase():
    """Runs of 40 and of 400 polls have no finding."""
    for seed in range(20):
        with case(seed):
            assert judge_concentration(walk(40, seed, draw_afresh)) == ()
            assert judge_concentration(walk(400, seed, draw_afresh)) == ()


def test_constant_phase_is_found():
    """A constant interval or phase in a minute, 15 minutes, two hours and four hours."""
    for step, of in (
        (lambda _draw, _at: 20_000, "intervals"),
        (lambda draw, at: draw_afresh(draw, at) // 60 * 60, "polls modulo 60 s"),
        (lambda draw, at: draw % 9000 // 900 * 900 + 18_000 - at % 900, "polls modulo 900 s"),
        (lambda _draw, at: 21_600 - (at - 1234) % 21_600 + 7200, "polls modulo 7200 s"),
        (lambda draw, at: 21_600 - (at - 1234) % 14_400 + draw % 900, "polls modulo 14400 s"),
    ):
        with case(step, of):
            found = judge_concentration(walk(40, 1, step))
            assert any(f.explanation.startswith(of) for f in found)
            assert {(f.channel, f.field) for f in found} == {("next poll", "interval")}


def test_length_of_the_mean_vector():
    """Modulo 15 minutes: two at 0, one at 90 and one at 180 degrees; R is 1/4 in both axes."""
    seen = observe([1e9 + 800, 1e9 + 900 + 800, 1e9 + 1800 + 1025, 1e9 + 2700 + 1250])
    measured = {m.of: m for m in measure_concentration(decode_intervals(seen))}
    quarter = measured["polls modulo 900 s"]
    assert quarter.count == 4
    assert math.isclose(quarter.length, math.hypot(1, 1) / 4)


def test_threshold_of_polls():
    """Fifteen equal intervals raise an alarm at alpha = 1e-9, fourteen do not."""
    still = [walk(count, 1, lambda _draw, _at: 20_000) for count in (14, 15)]
    assert not any(f.explanation.startswith("intervals") for f in judge_concentration(still[0]))
    assert any(f.explanation.startswith("intervals") for f in judge_concentration(still[1]))
    assert judge_concentration(walk(20, 1, lambda _draw, _at: 20_000), alpha=1e-30) == ()
    assert judge_concentration(observe([])) == ()


def test_exact_finding_of_a_concentration():
    """The finding's data are the due times."""
    seen = walk(20, 1, lambda _draw, _at: 20_000)
    (found,) = [f for f in judge_concentration(seen) if f.explanation.startswith("intervals")]
    data = b" ".join(b"%d" % (1_000_000_000 + 20_000 * n) for n in range(1, 21))
    assert (found.where, found.data, found.offset, found.length) == (
        *("next poll", data, 0, len(data)),
    )


def test_each_concentration_has_a_sixth_of_alpha():
    """Equality is no alarm."""
    seen = walk(20, 1, lambda _draw, _at: 20_000)
    chances = {m.of: m.chance for m in measure_concentration(decode_intervals(seen))}
    at, above = (
        [f.explanation.split(" of ")[0] for f in judge_concentration(seen, alpha=alpha)]
        for alpha in (6 * chances["intervals"], 6.0001 * chances["intervals"])
    )
    assert "intervals" not in at
    assert "intervals" in above
