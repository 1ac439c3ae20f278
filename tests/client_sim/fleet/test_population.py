"""Drawing the phones of a fleet."""

import hashlib

from client_sim.fleet.population import FLAKY, NEW, Draws, Group, Habits, draw_phones
from client_sim.world import BuildFacts

BUILDS = tuple(BuildFacts(f"f{n}", str(n), n, n, "2026-01-05") for n in range(1, 4))
GROUPS = (
    Group("armani", "id", "stable", BUILDS, 0),
    Group("dior", "eu", "beta", BUILDS[:1], 0),
)


def draw(**habits):
    """Draw 10,000 phones with these habits."""
    plain = {"current": 0.0, "older": 0.0, "fresh": 0.0, "flaky": 0.0, "skewed": 0.0}
    return draw_phones(10_000, GROUPS, Habits(**{**plain, **habits}), Draws(1, "test"))


def test_plain_phones():
    """Both groups have half of the phones, within five standard deviations.

    Most phones run the last build but one, or the only one. A phone takes 36 bytes.
    """
    phones = draw()
    assert abs(sum(phones.group) - 5000) < 250
    assert set(zip(phones.group, phones.build, strict=True)) == {(0, 1), (1, 0)}
    assert sum(each.itemsize for each in vars(phones).values()) == 36


def test_habits_are_shares():
    """Current, older, fresh, flaky and skewed phones have the requested shares."""
    phones = draw(current=0.3, older=0.5, fresh=0.1, flaky=0.2, skewed=0.4)
    builds = [build for index, build in zip(phones.group, phones.build, strict=True) if not index]
    assert abs(builds.count(2) / len(builds) - 0.3) < 0.03
    assert abs(builds.count(0) / len(builds) - 0.35) < 0.03
    assert abs(sum(traits & FLAKY for traits in phones.traits) - 2000) < 200
    assert abs(sum(bool(traits & NEW) for traits in phones.traits) - 1000) < 150
    assert 3500 < sum(skew != 0 for skew in phones.skew) < 4250


def test_draws_follow_from_seed_and_name():
    """A run can be repeated, and two uses of a seed are independent."""
    rows = [
        [Draws(seed, name).word() for _ in range(3)]
        for seed, name in [(1, "a"), (1, "b"), (2, "a")]
    ]
    assert rows[0] == [Draws(1, "a").word()] * 3
    assert len({row[0] for row in rows}) == 3


def test_the_numbers_are_shake_256():
    """The first word is the first eight bytes of the digest."""
    data = hashlib.shake_256(b"hening fleet v1\x007\x00x\x000").digest(8)
    draws = Draws(7, "x")
    assert draws.word().to_bytes(8, "little") == data
    assert len({draws.word() for _ in range(20_000)}) == 20_000  # more than a block holds


def test_distributions_of_draws():
    """Within five standard deviations of 10,000 draws; normal numbers are normal."""
    draws = Draws(3, "a")
    happened = sum(draws.happens(0.1) for _ in range(10_000))
    assert abs(happened - 1000) < 150
    assert not any(draws.happens(0.0) for _ in range(100))
    assert all(draws.happens(1.0) for _ in range(100))
    assert {draws.below(4) for _ in range(200)} == {0, 1, 2, 3}
    numbers = [draws.normal() for _ in range(10_000)]
    assert abs(sum(numbers) / 10_000) < 0.05
    assert abs(sum(-1 < number < 1 for number in numbers) - 6827) < 233
