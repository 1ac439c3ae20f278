"""Who the phones are."""

from client_sim.fleet.draws import Draws
from client_sim.fleet.population import FLAKY, NEW, Group, Habits, draw_phones
from client_sim.world import BuildFacts

BUILDS = tuple(BuildFacts(f"f{n}", str(n), n, n, "2026-01-05") for n in range(1, 4))
GROUPS = (
    Group("armani", "id", "stable", BUILDS, 3.0, 0),
    Group("dior", "eu", "beta", BUILDS[:1], 1.0, 0),
)


def draw(**habits):
    """Draw 10,000 phones, of which nothing is special unless `habits` says so."""
    plain = {"current": 0.0, "older": 0.0, "fresh": 0.0, "flaky": 0.0, "skewed": 0.0}
    return draw_phones(10_000, GROUPS, Habits(**{**plain, **habits}), Draws(1, "test"))


def test_plain_phones():
    """Groups have their weights: three to one, within five standard deviations.

    Most phones run the last build but one, or the only one. All arrays of one take few bytes.
    """
    phones = draw()
    assert abs(sum(index == 0 for index in phones.group) - 7500) < 217
    assert set(zip(phones.group, phones.build, strict=True)) == {(0, 1), (1, 0)}
    arrays = [value for value in vars(phones).values() if not isinstance(value, int)]
    assert sum(each.itemsize for each in arrays) == 36


def test_habits_are_shares():
    """Current, older, fresh, flaky and skewed phones are as many as was said."""
    phones = draw(current=0.3, older=0.5, fresh=0.1, flaky=0.2, skewed=0.4)
    builds = [build for index, build in zip(phones.group, phones.build, strict=True) if not index]
    assert abs(builds.count(2) / len(builds) - 0.3) < 0.03
    assert abs(builds.count(0) / len(builds) - 0.35) < 0.03
    assert abs(sum(traits & FLAKY for traits in phones.traits) - 2000) < 200
    assert abs(sum(bool(traits & NEW) for traits in phones.traits) - 1000) < 150
    assert 3500 < sum(skew != 0 for skew in phones.skew) < 4250
