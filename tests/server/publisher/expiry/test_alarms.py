"""When an expiring role raises an alarm, and how often it is logged."""

from datetime import UTC, datetime, timedelta

import pytest

from server.core.quantities import spell_size
from server.publisher.expiry.alarms import (
    ExcessFinder,
    RaisedAlarms,
    RoleLifetime,
    list_lifetimes,
    notice_of,
    plan_alarms,
    plan_room_notices,
)
from server.publisher.plan import TIMESTAMP_LIFE
from server.publisher.published import load_published
from server.storage.room import Room
from tests.attacks.poisoned import open_poisoned
from tests.attacks.role_thief import load_key

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def severity(role, lifetime, age):
    """Return the alarm's severity for a role of that lifetime and age, or None."""
    alarms = plan_alarms([RoleLifetime(role, 1, BEGIN, BEGIN + lifetime)], BEGIN + age)
    return alarms[0].severity if alarms else None


def test_severity_for_offline_roles():
    """An offline role's severity depends on its age and on the days that are left.

    Expected: a warning from 50 % of the lifetime, critical from 80 %. A clock before the role's
    start raises no alarm.
    """
    for lifetime, age, expected in (
        (90 * DAY, 0 * DAY, None),
        (90 * DAY, 44.9 * DAY, None),
        (90 * DAY, 45 * DAY, "warning"),
        (90 * DAY, 71.9 * DAY, "warning"),
        (90 * DAY, 72 * DAY, "critical"),
        (90 * DAY, 89.9 * DAY, "critical"),
        (90 * DAY, 90 * DAY, "expired"),
        (90 * DAY, 400 * DAY, "expired"),
        (90 * DAY, -3 * DAY, None),
        (3 * DAY, MINUTE, "critical"),
        (7 * DAY, MINUTE, "warning"),
        (14 * DAY, 7 * DAY - MINUTE, None),
        (365 * DAY, 363 * DAY, "critical"),
    ):
        for role in ("armani", "targets", "tables", "content"):
            assert severity(role, lifetime, age) == expected, (role, lifetime, age)


def test_severity_for_online_roles():
    """An online role raises no alarm at its renewal, but an hour after half of its lifetime."""
    for role, lifetime, renewed in (
        ("timestamp", DAY, HOUR),
        ("snapshot", 7 * DAY, 3.5 * DAY),
        ("latest", 7 * DAY, 3.5 * DAY),
    ):
        for age, expected in (
            (renewed + timedelta(seconds=31), None),
            (lifetime / 2 + HOUR - MINUTE, None),
            (lifetime / 2 + HOUR, "warning"),
            (lifetime * 0.8, "critical"),
            (lifetime, "expired"),
        ):
            assert severity(role, lifetime, age) == expected, (role, age)


def test_alarm_with_few_days_left_comes_first():
    """A role with few days left comes first, and its message gives the days instead of 0 %."""
    lifetimes = [
        RoleLifetime("a", 1, BEGIN - 50 * DAY, BEGIN + 40 * DAY),
        RoleLifetime("b", 1, BEGIN, BEGIN + 3 * DAY),
    ]
    first, second = plan_alarms(lifetimes, BEGIN + MINUTE)
    assert (first.role, first.severity, second.role) == ("b", "critical", "a")
    assert str(first).startswith("b expires in 3 days, on 2026-01-04 00:00 UTC: sign it again")


def test_alarm_message():
    """The message has the role, percentage, days and date, and the command to run."""
    (alarm,) = plan_alarms([RoleLifetime("armani", 3, BEGIN, BEGIN + 100 * DAY)], BEGIN + 60 * DAY)
    assert str(alarm) == (
        "armani has used 60% of its lifetime and expires in 40 days, on 2026-04-11 00:00 UTC:"
        " sign it again (`hening-signer ceremony renew armani`)."
    )
    (alarm,) = plan_alarms([RoleLifetime("timestamp", 3, BEGIN, BEGIN + DAY)], BEGIN + 2 * DAY)
    assert "timestamp is expired since 2026-01-02 00:00 UTC: this server fails" in str(alarm)


def test_lifetime_begins_when_the_version_was_logged(world):
    """A lifetime begins at the logged time; without one, the role's usual lifetime is assumed."""
    published = world.published()
    begun = {"armani": published.roles["armani"].expires - 30 * DAY}
    lifetimes = {lifetime.role: lifetime for lifetime in list_lifetimes(published, begun)}
    assert lifetimes.keys() == {"root", "targets", "snapshot", "timestamp", *published.roles}
    spans = {role: lifetime.expires - lifetime.begun for role, lifetime in lifetimes.items()}
    assert spans["armani"] == 30 * DAY
    assert spans["root"] == 365 * DAY
    assert spans["targets"] == spans["cancro"] == 90 * DAY
    assert (spans["latest"], spans["snapshot"], spans["timestamp"]) == (7 * DAY, 7 * DAY, DAY)


def test_alarm_is_logged_at_thresholds_and_daily():
    """An alarm is logged when it crosses a threshold and daily; after a renewal, again."""
    book = RaisedAlarms()

    def logged_severities(age):
        alarms = plan_alarms([RoleLifetime("armani", 1, BEGIN, BEGIN + 90 * DAY)], BEGIN + age)
        notices = [notice_of(alarm) for alarm in alarms]
        return [notice.severity for notice in book.due(notices, BEGIN + age)]

    assert logged_severities(44 * DAY) == []
    assert logged_severities(45 * DAY) == ["warning"]
    assert logged_severities(45 * DAY + 23 * HOUR) == []
    assert logged_severities(46 * DAY) == ["warning"]
    assert logged_severities(72 * DAY) == ["critical"]
    assert logged_severities(72 * DAY + HOUR) == []
    assert logged_severities(10 * DAY) == []
    assert logged_severities(73 * DAY) == ["critical"]
    assert logged_severities(90 * DAY) == ["expired"]


def test_notice_about_free_space():
    """Free space below four times `keep_free` is a warning, below `keep_free` critical."""
    for free, expected in (
        (4000, []),
        (3999, ["warning"]),
        (1000, ["warning"]),
        (999, ["critical"]),
        (0, ["critical"]),
    ):
        notices = list(plan_room_notices(free, 0, Room(keep_free=1000)))
        assert [notice.severity for notice in notices] == expected
        for notice in notices:
            assert notice.subject == "disk"
            assert str(notice).startswith(f"{spell_size(free)} are free on the disk, and")
            assert "make room" in notice.sentence


def test_notice_about_the_quota():
    """Nine tenths of the quota is a warning, the whole quota critical; no quota, no alarm."""
    for used, quota, expected in (
        (899, 1000, []),
        (900, 1000, ["warning"]),
        (1000, 1000, ["critical"]),
        (1 << 40, 0, []),
    ):
        notices = list(plan_room_notices(1 << 50, used, Room(quota)))
        assert [notice.severity for notice in notices] == expected
        assert all(notice.subject == "quota" and "gc" in notice.sentence for notice in notices)


@pytest.mark.parametrize(
    ("scenario", "names"),
    [
        ("clock", "the floor_time 2035-"),
        ("build-time", "the post_timestamp 2035-"),
        ("counter", "has counter 9007199254740991, more than 1000 above"),
        ("patch-level", "the patch level 9999-12-31"),
    ],
)
def test_poisoned_role_is_reported_with_its_signer(scenario, names, tmp_path):
    """A poisoned role is reported with its signing key for as long as it is published."""
    poisoned = open_poisoned(scenario, tmp_path)
    thief = load_key(poisoned.keys, "armani-1", poisoned.facts["passphrase"]).public_key.keyid
    public = poisoned.server / "public"
    finder, published = ExcessFinder(public), load_published(public)
    for hours in (1, 2):
        now = datetime.fromtimestamp(poisoned.facts["moment"], UTC) + timedelta(hours=hours)
        ((role, sentence),) = finder.find(published, now).items()
        assert role == "armani"
        assert names in sentence
        assert f"by the key {thief[:16]}." in sentence
        assert "hening-signer ceremony reset armani" in sentence


def test_excessive_lifetimes_are_reported(world):
    """Each role with a longer lifetime than a new signature would give is reported.

    The message about targets names `ceremony renew`, that about packs `ceremony reset`.
    """
    published = load_published(world.folder.public)
    public = world.folder.public
    assert ExcessFinder(public).find(published, world.now()) == {}
    ago = published.timestamp.expires - TIMESTAMP_LIFE - timedelta(days=2)
    found = ExcessFinder(public).find(published, ago)
    assert list(found) == ["timestamp", "snapshot", "latest"]
    key = next(iter(published.root.roles["timestamp"].keyids))
    assert f"by the key {key[:16]}." in found["timestamp"]
    long_ago = published.targets.expires - timedelta(days=3652)
    sentences = ExcessFinder(public).find(published, long_ago)
    assert "`hening-signer ceremony renew targets`" in sentences["targets"]
    assert "`hening-signer ceremony reset tables`" in sentences["tables"]
