"""When a life that runs out is an alarm, and how often it is said."""

from datetime import UTC, datetime, timedelta

import pytest

from server.publisher.alarm_book import AlarmBook
from server.publisher.lives import Life, plan_alarms, plan_lives
from server.publisher.notices import notice_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def severity(role, life, age):
    """Return how bad it is when a role of that life has that age; None for no alarm."""
    alarms = plan_alarms([Life(role, 1, BEGIN, BEGIN + life)], BEGIN + age)
    return alarms[0].severity if alarms else None


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, None),
        (44.9, None),
        (45, "warning"),
        (71.9, "warning"),
        (72, "critical"),
        (89.9, "critical"),
        (90, "expired"),
        (400, "expired"),
        (-3, None),
    ],
)
def test_an_offline_role_of_90_days(days, expected):
    """Half of it is 45 days, 80 % are 72; a clock before its begin has used nothing."""
    for role in ("armani", "targets", "tables", "content"):
        assert severity(role, 90 * DAY, days * DAY) == expected


@pytest.mark.parametrize(
    ("role", "life", "renewed"),
    [
        ("timestamp", DAY, HOUR + 31 * timedelta(seconds=1)),
        ("snapshot", 7 * DAY, 3.5 * DAY + 31 * timedelta(seconds=1)),
        ("latest", 7 * DAY, 3.5 * DAY + 31 * timedelta(seconds=1)),
    ],
)
def test_an_online_role_that_is_renewed_is_no_alarm(role, life, renewed):
    """At the age at which it is renewed nothing is said; an hour past half of its life it is."""
    assert severity(role, life, renewed) is None
    assert severity(role, life, life / 2 + HOUR - MINUTE) is None
    assert severity(role, life, life / 2 + HOUR) == "warning"
    assert severity(role, life, life * 0.8) == "critical"
    assert severity(role, life, life) == "expired"


@pytest.mark.parametrize(
    ("life", "age", "expected"),
    [
        (3 * DAY, MINUTE, "critical"),
        (7 * DAY, MINUTE, "warning"),
        (14 * DAY, 7 * DAY - MINUTE, None),
        (365 * DAY, 363 * DAY, "critical"),
    ],
)
def test_days_count_as_well_as_the_share(life, age, expected):
    """A role that was signed for three days is late from the beginning."""
    assert severity("armani", life, age) == expected


def test_a_short_life_is_told_in_days_and_comes_first():
    """A share of none would read as if there were time; it is worse than half of 90 days."""
    lives = [Life("a", 1, BEGIN - 50 * DAY, BEGIN + 40 * DAY), Life("b", 1, BEGIN, BEGIN + 3 * DAY)]
    first, second = plan_alarms(lives, BEGIN + MINUTE)
    assert (first.role, first.severity, second.role) == ("b", "critical", "a")
    assert "b has used 0% of its life and expires in 2 days, on 2026-01-04" in str(first)


def test_an_alarm_says_what_to_do():
    """With role, share, days, date, and the command where there is one."""
    (alarm,) = plan_alarms([Life("armani", 3, BEGIN, BEGIN + 100 * DAY)], BEGIN + 60 * DAY)
    assert str(alarm) == (
        "armani has used 60% of its life and expires in 40 days, on 2026-04-11 00:00 UTC:"
        " sign it again (`hening-signer ceremony renew armani`) and submit it."
    )
    (alarm,) = plan_alarms([Life("timestamp", 3, BEGIN, BEGIN + DAY)], BEGIN + 2 * DAY)
    assert "timestamp is expired since 2026-01-02 00:00 UTC: this server fails" in str(alarm)


def test_the_worst_comes_first():
    """Then by name."""
    lives = [Life(role, 1, BEGIN, BEGIN + days * DAY) for role, days in (("b", 9), ("a", 9))]
    lives.append(Life("c", 1, BEGIN, BEGIN + 6 * DAY))
    assert [alarm.role for alarm in plan_alarms(lives, BEGIN + 5 * DAY)] == ["c", "a", "b"]


def test_a_life_begins_when_the_version_was_logged(world):
    """Where nothing says when, it is as long as is usual; online roles' lives are known."""
    published = world.published()
    begun = {"armani": published.roles["armani"].expires - 30 * DAY}
    lives = {life.role: life for life in plan_lives(published, begun)}
    assert lives.keys() == {"root", "targets", "snapshot", "timestamp", *published.roles}
    spans = {role: life.expires - life.begun for role, life in lives.items()}
    assert spans["armani"] == 30 * DAY
    assert spans["root"] == 365 * DAY
    assert spans["targets"] == spans["cancro"] == 90 * DAY
    assert (spans["latest"], spans["snapshot"], spans["timestamp"]) == (7 * DAY, 7 * DAY, DAY)


def test_an_alarm_is_said_at_its_crossing_and_daily():
    """Not in between; a renewal is forgotten, so that the next crossing is said again."""
    book = AlarmBook()

    def said(age):
        alarms = plan_alarms([Life("armani", 1, BEGIN, BEGIN + 90 * DAY)], BEGIN + age)
        notices = [notice_of(alarm) for alarm in alarms]
        return [notice.severity for notice in book.due(notices, BEGIN + age)]

    assert said(44 * DAY) == []
    assert said(45 * DAY) == ["warning"]
    assert said(45 * DAY + 23 * HOUR) == []
    assert said(46 * DAY) == ["warning"]
    assert said(72 * DAY) == ["critical"]
    assert said(72 * DAY + HOUR) == []
    assert said(10 * DAY) == []
    assert said(73 * DAY) == ["critical"]
    assert said(90 * DAY) == ["expired"]
