"""When a failed delivery is retried."""

import pytest

from server.release.webhooks.deliveries import decode_retry_after, plan_retry

#: 10 s, tripled each time, at most twelve hours: calculated independently.
LONGEST = [10, 30, 90, 270, 810, 2430, 7290, 21870, *[43200] * 5]


def test_the_waits_grow_and_end_within_three_days():
    """Between 14 attempts there are 13 waits, each in the upper half of its maximum."""
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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("43200", 43_200),
        ("43201", 43_200),
        ("999999999", 43_200),
        ("Fri, 15 Jan 2027 08:02:00 GMT", 120),
        ("Friday, 15-Jan-27 08:02:00 GMT", 120),
        ("Fri Jan 15 08:02:00 2027", 120),
        ("Fri, 15 Jan 2027 07:59:59 GMT", 0),
        ("Fri, 15 Jan 2099 08:00:00 GMT", 43_200),
        ("", 0),
        ("-1", 0),
        ("1.5", 0),
        ("9" * 10, 0),
        ("\u0661", 0),
        ("soon", 0),
        ("Fri, 99 Jan 2027 08:02:00 GMT", 0),
        ("Fri, 15 Jan 2027 08:02:00 GMT" * 9, 0),
    ],
)
def test_what_a_receiver_asks_for(text, seconds):
    """Seconds or one of the three forms of a date; 1,800,000,000 is 2027-01-15 08:00 UTC."""
    assert decode_retry_after(text, 1_800_000_000) == seconds
