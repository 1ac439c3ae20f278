"""Plans and their calendars: shares never decrease, and stages start inside windows."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.release.rollouts.plan import (
    MAX_STAGES,
    WEEKDAYS,
    Calendar,
    Plan,
    Stage,
    Window,
    build_course,
    check_plan,
    course_of,
    expand,
    is_open,
    load_zone,
    next_open,
)
from tests.cases import case, refuse_each
from tests.server.release.rollouts.harness import make_pointer

HOUR, DAY = 3600, 86_400
JAKARTA = Calendar("Asia/Jakarta", [Window(["mon", "tue", "wed", "thu"], "09:00", "17:00")])


def at(text):
    """Return the epoch seconds of an ISO time with zone."""
    return int(datetime.fromisoformat(text).timestamp())


def test_a_plan_in_office_hours():
    """Stages of a plan start inside office hours. Expected times were calculated by hand."""
    stages = [Stage(10, DAY), Stage(100, 2 * DAY), Stage(500, DAY), Stage(1000)]
    # Tuesday 18:30 in Jakarta is after office hours.
    course = expand(Plan(stages, at("2026-12-01T18:30+07:00"), JAKARTA), at("2026-11-25T00:00Z"))
    assert course.schedule == [
        (at("2026-12-02T09:00+07:00"), 10),
        (at("2026-12-03T09:00+07:00"), 100),
        (at("2026-12-07T09:00+07:00"), 500),  # Saturday is not a working day
        (at("2026-12-08T09:00+07:00"), 1000),
    ]
    assert course.ready[2] == at("2026-12-05T09:00+07:00")


def test_start_in_the_past_moves_the_plan():
    """A start in the past moves the whole plan, so that no stage becomes shorter.

    Without a start, the first stage begins immediately. A schedule without a plan is its own plan.
    """
    plan = Plan([Stage(10, DAY), Stage(1000)], start=1000)
    assert expand(plan, 5000).schedule == [(5000, 10), (5000 + DAY, 1000)]
    with pytest.raises(FormatError, match="starts in the past: omit its start"):
        check_plan(plan, 5000)
    check_plan(plan, 1300)
    assert expand(plan, 1300).schedule == [(1000, 10), (1000 + DAY, 1000)]  # in time
    course = expand(Plan([Stage(5, HOUR), Stage(1000, HOUR)]), 1000)
    assert course.schedule == [(1000, 5), (1000 + HOUR, 1000)]
    assert course_of([(10, 1), (30, 2), (100, 3)]).cut(15) == [(15, 2), (70, 3)]


@st.composite
def plans(draw):
    """Draw a plan with or without a calendar."""
    shares = sorted(draw(st.lists(st.integers(0, 1000), min_size=1, max_size=MAX_STAGES)))
    stages = [Stage(share, draw(st.integers(1, 40 * DAY))) for share in shares]
    zone = draw(st.sampled_from([None, "Asia/Jakarta", "Europe/Berlin", "America/New_York"]))
    window = Window(["mon", "wed", "sun"], "01:30", "02:30")
    start = draw(st.none() | st.integers(1_770_000_000, 1_800_000_000))
    return Plan(stages, start, None if zone is None else Calendar(zone, [window, *JAKARTA.windows]))


NOW = st.integers(1_770_000_000, 1_800_000_000)


@settings(max_examples=60)
@given(plans(), NOW)
def test_any_expansion(plan, now):
    """In every schedule, shares do not decrease, holds are kept, and starts are in windows."""
    course = expand(plan, now)
    assert [share for _, share in course.schedule] == [stage.permille for stage in plan.stages]
    is_late = plan.start is None or plan.start < now - 300
    assert course.schedule[0][0] >= (now if is_late else plan.start)
    for (before, after), stage in zip(pairwise(course.schedule), plan.stages, strict=False):
        assert after[0] - before[0] >= stage.hold
    if plan.calendar is not None:
        zone = load_zone(plan.calendar.zone)
        assert all(is_open(plan.calendar, zone, start) for start, _ in course.schedule)
    assert make_pointer(course.schedule).schedule == course.schedule


@settings(max_examples=60)
@given(plans(), NOW, st.integers(0, 60 * DAY), st.integers(0, 60 * DAY))
def test_a_pause_only_delays(plan, now, run, pause):
    """After a pause, the remaining stages come in order and never earlier."""
    course = expand(plan, now)
    paused = course.schedule[0][0] + run
    rest = course.cut(paused)
    left = [pair for pair in course.schedule if pair[0] > paused]
    assert [share for _, share in rest] == [share for _, share in left]
    if rest:
        resumed = build_course(rest, paused + pause, course.calendar)
        assert all(
            after[0] >= before[0] for before, after in zip(left, resumed.schedule, strict=True)
        )
        if course.calendar is None:  # then the delay is exactly the pause
            assert {a[0] - b[0] for b, a in zip(left, resumed.schedule, strict=True)} == {pause}


def test_holds_after_a_pause():
    """After a pause, an interrupted hold continues, and a completed one is not repeated."""
    monday = at("2026-12-07T09:00+07:00")
    plan = Plan([Stage(10, 20 * HOUR), Stage(100, DAY), Stage(1000)], monday, JAKARTA)
    course = expand(plan, 0)
    assert course.schedule[1][0] == monday + DAY  # 05:00 is outside of office hours, 09:00 inside
    assert course.cut(monday + 5 * HOUR) == [(15 * HOUR, 100), (DAY, 1000)]
    assert course.cut(monday + 22 * HOUR) == [(0, 100), (DAY, 1000)]
    resumed = build_course(course.cut(monday + 22 * HOUR), monday + 30 * HOUR, JAKARTA)
    assert resumed.schedule[0][0] == monday + 30 * HOUR  # Tuesday 15:00 is inside
    assert resumed.schedule[1][0] == monday + 54 * HOUR


def test_invalid_plans():
    """Invalid plans are refused: decreasing shares, missing holds, unknown zones."""
    for members in (
        {"stages": []},
        {"stages": [{"permille": 500, "hold": 5}, {"permille": 499}]},
        {"stages": [{"permille": 1}, {"permille": 2}]},
        {"stages": [{"permille": 1001}]},
        {"stages": [{"permille": 1, "hold": 1}] * (MAX_STAGES + 1)},
        {"stages": [{"permille": 1}], "start": -1},
        {"stages": [{"permille": 1}], "begin": 1},
    ):
        with case(members), pytest.raises(msgspec.ValidationError):
            msgspec.convert(members, Plan)
    plan = Plan([Stage(1)], None, msgspec.structs.replace(JAKARTA, zone="Mars/Olympus"))
    with pytest.raises(FormatError, match="is not a time zone"):
        check_plan(plan, 0)


OFFICE = Window(["mon", "tue", "wed", "thu"], "09:00", "17:00")


def local(text, zone="UTC", fold=0):
    """Return the epoch seconds of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


@pytest.mark.parametrize(
    ("zone", "window", "moment", "expected"),
    [
        # Jakarta is 7 hours ahead, all year.
        ("Asia/Jakarta", OFFICE, "2026-11-25T01:59:59", "2026-11-25T02:00:00"),
        ("Asia/Jakarta", OFFICE, "2026-11-25T09:59:59", "2026-11-25T09:59:59"),
        ("Asia/Jakarta", OFFICE, "2026-11-25T10:00:00", "2026-11-26T02:00:00"),
        ("Asia/Jakarta", OFFICE, "2026-11-26T10:00:00", "2026-11-30T02:00:00"),  # over a weekend
        # Berlin is one hour ahead in winter and two in summer, from 2026-03-29 to 2026-10-25.
        ("Europe/Berlin", OFFICE, "2026-03-26T16:00:00", "2026-03-30T07:00:00"),
        ("Europe/Berlin", OFFICE, "2026-10-22T15:00:00", "2026-10-26T08:00:00"),
        # 02:00 to 03:00 is skipped on the day when summer time begins ...
        ("Europe/Berlin", Window(["sun"], "02:00", "03:00"), "2026-03-28T12:00:00",
         "2026-04-05T00:00:00"),
        # ... cut short where it began in the gap ...
        ("Europe/Berlin", Window(["sun"], "02:30", "03:30"), "2026-03-28T12:00:00",
         "2026-03-29T01:00:00"),
        # ... and open in both hours where the hour comes twice.
        ("Europe/Berlin", Window(["sun"], "02:30", "02:45"), "2026-10-25T00:00:00",
         "2026-10-25T00:30:00"),
        ("Europe/Berlin", Window(["sun"], "02:30", "02:45"), "2026-10-25T00:45:00",
         "2026-10-25T01:30:00"),
        # In St John's, 2:30 follows 23:00 by 3:30 hours on 2026-03-08, a day of 23 hours: the 24
        # hours that begin at 23:00 the day before end at 00:00 the day after.
        ("America/St_Johns", Window(["sun"], "00:00", "00:01"), "2026-03-08T02:30:28",
         "2026-03-08T03:30:00"),
        # Samoa had no 2011-12-30, which was a Friday.
        ("Pacific/Apia", Window(["fri"], "00:00", "24:00"), "2011-12-29T00:00:00",
         "2012-01-05T10:00:00"),
    ],
)  # fmt: skip
def test_the_next_open_instant(zone, window, moment, expected):
    """The next open second is found across weekends and clock changes; times are in UTC.

    Expected values were calculated by hand from the zones' published offsets.
    """
    calendar = Calendar(zone, [window])
    assert next_open(calendar, load_zone(zone), local(moment)) == local(expected)


@st.composite
def windows(draw):
    """Draw a window that starts and ends at whole minutes."""
    start, until = sorted(draw(st.lists(st.integers(0, 1440), min_size=2, max_size=2, unique=True)))
    days = draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True))
    return Window(days, *(f"{minute // 60:02}:{minute % 60:02}" for minute in (start, until)))


@settings(max_examples=40)
@given(
    st.lists(windows(), min_size=1, max_size=3),
    st.sampled_from(["Asia/Jakarta", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
    st.sampled_from(["2026-03-08", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24"]),
    st.integers(0, 2 * 1440),
)
@example([Window(["sun"], "02:10", "02:20")], "Australia/Lord_Howe", "2026-04-04", 0)
def test_next_open_equals_a_search_by_minute(drawn, zone, day, minutes):
    """A search minute by minute finds the same instant."""
    calendar, clock = Calendar(zone, drawn), ZoneInfo(zone)
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=minutes)
    for number in range(9 * 1440):
        moment = begin + timedelta(minutes=number)
        local = moment.astimezone(clock)
        minute = local.hour * 60 + local.minute
        if any(
            WEEKDAYS[local.weekday()] in window.days
            and _minutes(window.start) <= minute < _minutes(window.until)
            for window in drawn
        ):
            break
    else:
        return  # no open minute in nine days, because of a clock change
    assert next_open(calendar, clock, int(begin.timestamp())) == int(moment.timestamp())
    assert is_open(calendar, clock, int(moment.timestamp()))


def _minutes(text):
    return int(text[:2]) * 60 + int(text[3:])


def test_invalid_zones_and_windows():
    """Unknown zones, paths as zones, and empty or inverted windows are refused."""
    bad = ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Asia", "a" * 99, "Asia/\0"]
    refuse_each(FormatError, load_zone, bad, "is not a time zone: use a name such as Asia/Jakarta")
    good = {"days": ["mon"], "start": "09:00", "until": "17:00"}
    assert msgspec.convert(good, Window).days == ["mon"]
    wrong = [
        *({"days": []}, {"days": ["monday"]}, {"zone": "UTC"}, {"start": "9:00"}),
        *({"start": "17:00", "until": "09:00"}, {"until": "09:00"}, {"until": "24:01"}),
    ]
    windows = [good | each for each in wrong]
    refuse_each(msgspec.ValidationError, lambda each: msgspec.convert(each, Window), windows)
