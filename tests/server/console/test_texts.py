"""Calendars in words."""

import pytest

from server.console.texts import describe_windows
from server.release.rollouts.plan import WEEKDAYS, Calendar, Plan, Stage, Window

DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (["thu", "mon", "wed", "tue"], f"Mon{DASH}Thu"),
        (["fri", "sat", "sun"], f"Fri{DASH}Sun"),
        (list(WEEKDAYS), f"Mon{DASH}Sun"),
        (["sat", "sun"], "Sat, Sun"),
        (["mon", "wed", "fri"], "Mon, Wed, Fri"),
        (["sun"], "Sun"),
    ],
)
def test_days(days, text):
    """Three or more consecutive days as a range, others one by one, in the week's order."""
    calendar = Calendar("Asia/Jakarta", [Window(days, "09:00", "17:00")])
    plan = Plan([Stage(1000)], calendar=calendar)
    assert describe_windows(plan) == [f"{text} 09:00{DASH}17:00 Asia/Jakarta"]


def test_no_windows():
    """Without a calendar a step begins at any time."""
    assert describe_windows(Plan([Stage(1000)])) == []
    assert describe_windows(None) == []
