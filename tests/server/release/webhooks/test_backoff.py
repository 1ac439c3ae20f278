"""When a failed delivery is tried again."""

from server.release.webhooks.backoff import plan_retry

#: 10 s times three each time, at most twelve hours: calculated by hand.
LONGEST = [10, 30, 90, 270, 810, 2430, 7290, 21870, *[43200] * 5]


def test_the_waits_grow_and_end_within_three_days():
    """Between 14 attempts lie 13 waits, each from the upper half of its longest one."""
    for attempts, longest in enumerate(LONGEST, start=1):
        drawn = [plan_retry(attempts, lambda _n, i=i: i.to_bytes(8)) for i in range(longest + 2)]
        assert min(drawn) == longest // 2
        assert max(drawn) == longest
    assert sum(LONGEST) == 248_800
    assert sum(LONGEST) < 3 * 86_400


def test_the_last_attempt():
    """After the fourteenth attempt there is none."""
    assert plan_retry(13, bytes) is not None
    assert plan_retry(14, bytes) is None
    assert plan_retry(15, bytes) is None
