"""Numbers out of a seed."""

import hashlib
from collections import Counter

from client_sim.fleet.draws import Draws


def test_equal_seeds_and_names_give_equal_numbers_and_others_do_not():
    """A run can be made again, and two uses of a seed do not follow each other."""
    rows = [
        [Draws(seed, name).word() for _ in range(3)]
        for seed, name in [(1, "a"), (1, "b"), (2, "a")]
    ]
    assert rows[0] == [Draws(1, "a").word()] * 3
    assert len({row[0] for row in rows}) == 3


def test_the_numbers_are_shake_256():
    """The first word is the first eight bytes, in this machine's order."""
    data = hashlib.shake_256(b"hening fleet v1\x007\x00x\x000").digest(8)
    draws = Draws(7, "x")
    assert draws.word().to_bytes(8, "little") == data
    assert len({draws.word() for _ in range(20_000)}) == 20_000  # more than a block holds


def test_shares_and_weights_are_kept():
    """Within five standard deviations of 10,000 draws; normal numbers are normal."""
    draws = Draws(3, "a")
    happened = sum(draws.happens(0.1) for _ in range(10_000))
    assert abs(happened - 1000) < 150
    assert not any(draws.happens(0.0) for _ in range(100))
    assert all(draws.happens(1.0) for _ in range(100))
    picked = Counter(draws.pick((1.0, 3.0, 0.0)) for _ in range(10_000))
    assert abs(picked[1] - 7500) < 217
    assert picked[2] == 0
    assert {draws.below(4) for _ in range(200)} == {0, 1, 2, 3}
    numbers = [draws.normal() for _ in range(10_000)]
    assert abs(sum(numbers) / 10_000) < 0.05
    assert abs(sum(-1 < number < 1 for number in numbers) - 6827) < 233
