"""Calendar windows: local time of a zone, clock changes, and invalid zones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.release.rollouts.plan import WEEKDAYS, Calendar, Window, is_open, load_zone, next_open
from tests.cases import refuse_each

OFFICE = Window(["mon", "tue", "wed", "thu"], "09:00", "17:00")


def at(text, zone="UTC", fold=0):
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
        # St John's leaves 3:30 behind for 2:30 on 2026-03-08, a day of 23 hours: the 24 hours that
        # begin at 23:00 the day before end at 00:00 the day after.
        ("America/St_Johns", Window(["sun"], "00:00", "00:01"), "2026-03-08T02:30:28",
         "2026-03-08T03:30:00"),
        # Samoa went without 2011-12-30, a Friday.
        ("Pacific/Apia", Window(["fri"], "00:00", "24:00"), "2011-12-29T00:00:00",
         "2012-01-05T10:00:00"),
    ],
)  # fmt: skip
def test_the_next_open_instant(zone, window, moment, expected):
    """Calculated independently from the zones' published offsets; moments are in UTC."""
    calendar = Calendar(zone, [window])
    assert next_open(calendar, load_zone(zone), at(moment)) == at(expected)


@st.composite
def windows(draw):
    """Draw a window of whole minutes."""
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
def test_it_is_the_first_minute_that_a_walk_finds(drawn, zone, day, minutes):
    """A search, minute by minute, over the definition finds the same instant."""
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
        return  # none in nine days: a clock change removed the only one
    assert next_open(calendar, clock, int(begin.timestamp())) == int(moment.timestamp())
    assert is_open(calendar, clock, int(moment.timestamp()))


def _minutes(text):
    return int(text[:2]) * 60 + int(text[3:])


def test_zones_and_windows_that_cannot_be():
    """A name that leads to no zone, or out of the zones; an empty, inverted or misspelt window."""
    bad = ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Asia", "a" * 99, "Asia/\0"]
    refuse_each(FormatError, load_zone, bad, "is no time zone: write one such as Asia/Jakarta")
    good = {"days": ["mon"], "start": "09:00", "until": "17:00"}
    assert msgspec.convert(good, Window).days == ["mon"]
    wrong = [
        *({"days": []}, {"days": ["monday"]}, {"zone": "UTC"}, {"start": "9:00"}),
        *({"start": "17:00", "until": "09:00"}, {"until": "09:00"}, {"until": "24:01"}),
    ]
    windows = [good | each for each in wrong]
    refuse_each(msgspec.ValidationError, lambda each: msgspec.convert(each, Window), windows)
