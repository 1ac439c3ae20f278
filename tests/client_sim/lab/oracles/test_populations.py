"""Two populations that wait differently are found; two of the same kind are not."""

import hashlib
import math

import pytest

from client_sim.lab.oracles.chance import tail_of_kolmogorov, tail_of_normal
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.populations import find_distance, find_welch, judge_populations

ONE = [17, 42, 3, 99, 58, 23, 71, 64]
OTHER = [12, 45, 33, 87, 90, 101, 54, 61, 29, 77]


def draws(count, seed):
    """Give intervals that look drawn."""
    return [
        14_400.0 + int.from_bytes(hashlib.sha256(b"%d %d" % (seed, n)).digest()[:8], "big") % 14_401
        for n in range(count)
    ]


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


@pytest.mark.parametrize("seed", range(0, 20, 2))
def test_the_same_kind_is_clean(seed):
    """Of different size."""
    assert judge_populations(draws(200, seed), draws(300, seed + 1), "owner") == ()
    assert judge_populations([20_000.0] * 100, [20_000.0] * 100, "owner") == ()


@pytest.mark.parametrize(
    ("other", "names"),
    [
        ([v + 3000 for v in draws(500, 2)], {"distributions", "means"}),
        ([21_600 + (v - 21_600) / 2 for v in draws(1000, 2)], {"distributions"}),
        ([20_000.0] * 500, {"distributions", "means"}),
    ],
)
def test_another_kind_is_found(other, names):
    """By its mean, or by its spread alone."""
    found = judge_populations(draws(1000, 1), other, "owner 2")
    assert {f.explanation.split(" of ")[0] for f in found} == names
    assert all("differ by owner 2" in f.explanation for f in found)
    assert {(f.channel, f.field) for f in found} == {("next poll", "interval")}
    assert judge_populations(draws(1000, 1), other, "owner 2", alpha=0.0) == ()


def test_few_values_are_refused():
    """T is not normal for them."""
    with pytest.raises(ValueError, match=r"^two populations need 100 intervals or more each$"):
        judge_populations(draws(99, 1), draws(500, 2), "owner")


def test_a_finding_has_both_means():
    """Word for word; and exactly at alpha there is none."""
    one, other = draws(1000, 1), [20_000.0] * 500
    t, distance = find_welch(one, other), find_distance(one, other)
    tails = (2 * tail_of_kolmogorov(distance, 1000 / 3), 2 * tail_of_normal(t))
    for place, (name, statistic) in enumerate((("distributions", distance), ("means", t))):
        found = judge_populations(one, other, "owner 2", alpha=tails[place] * 1.0001)
        finding = {f.explanation.split(" of ")[0]: f for f in found}[name]
        data = b"%d" % (sum(one) / 1000)
        assert finding == Finding(
            "next poll",
            f"{name} of 1000 and 500 intervals differ by owner 2: statistic {statistic:.4g}, "
            f"chance {tails[place]:.1g}",
            *(data, 0, 5, b"20000", "next poll", "interval"),
        )
        found = judge_populations(one, other, "owner 2", alpha=tails[place])
        assert name not in {f.explanation.split(" of ")[0] for f in found}
