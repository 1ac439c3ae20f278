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


def test_groups_have_their_weights():
    """Three to one, within five standard deviations."""
    assert abs(sum(index == 0 for index in draw().group) - 7500) < 217


def test_most_run_the_last_build_but_one():
    """And the only one where there is one only."""
    phones = draw()
    assert {(index, build) for index, build in zip(phones.group, phones.build, strict=True)} == {
        (0, 1),
        (1, 0),
    }


def test_habits_are_shares():
    """Current, older, fresh, flaky and skewed phones are as many as was said."""
    phones = draw(current=0.3, older=0.5, fresh=0.1, flaky=0.2, skewed=0.4)
    builds = [build for index, build in zip(phones.group, phones.build, strict=True) if not index]
    assert abs(builds.count(2) / len(builds) - 0.3) < 0.03
    assert abs(builds.count(0) / len(builds) - 0.35) < 0.03
    assert abs(sum(traits & FLAKY for traits in phones.traits) - 2000) < 200
    assert abs(sum(bool(traits & NEW) for traits in phones.traits) - 1000) < 150
    assert 3500 < sum(skew != 0 for skew in phones.skew) < 4250


def test_a_phone_takes_a_few_bytes():
    """All arrays together: well below a kilobyte each."""
    phones = draw()
    arrays = [value for value in vars(phones).values() if not isinstance(value, int)]
    assert sum(each.itemsize for each in arrays) == 36
