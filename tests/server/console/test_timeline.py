"""The chart of a rollout. Expected percentages of the shown time are calculated by hand."""

import time
from types import SimpleNamespace

import pytest

from server.console.timeline import Bar, draw, find_ticks, join_history
from server.release.rollouts.changes import State
from server.release.rollouts.preview import Share

HOUR, DAY = 3600, 86_400


@pytest.fixture
def zone(monkeypatch):
    """Set the server's time zone."""

    def stand_in(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield stand_in
    monkeypatch.undo()
    time.tzset()


def test_chart_between_two_steps():
    """The chart ends a twentieth of the time after the last step."""
    # 8 h from the first step to the last, so 8.4 h are shown; at 5 h the first is 4 h old.
    timeline = draw([(HOUR, 100), (5 * HOUR, 500), (9 * HOUR, 1000)], 6 * HOUR)
    assert (timeline.begin, timeline.end, timeline.now) == (HOUR, 9 * HOUR + 1440, 59.52)
    assert timeline.past == (Bar(0, 47.62, 10), Bar(47.62, 11.9, 50))
    assert timeline.future == (Bar(59.52, 35.72, 50), Bar(95.24, 4.76, 100))
    assert [stage.is_past for stage in timeline.stages] == [True, True, False]
    assert timeline.next is not None
    assert timeline.next.permille == 1000


def test_chart_before_the_first_and_after_the_last_step():
    """Before the first step the chart begins now, and has only the future.

    A step that begins now has a minute and a visible bar. For a paused or halted rollout the chart
    ends now.
    """
    timeline = draw([(11 * HOUR, 1000)], HOUR)
    assert (timeline.begin, timeline.past) == (HOUR, ())
    assert timeline.future == (Bar(95.24, 4.76, 100),)
    timeline = draw([(HOUR, 1000)], HOUR)
    assert (timeline.begin, timeline.end, timeline.now) == (HOUR, HOUR + 60, 0)
    assert timeline.past == (Bar(0, 1, 100),)
    assert draw([(HOUR, 10), (5 * HOUR, 1000)], 5 * HOUR).past == (Bar(0, 100, 1), Bar(99, 1, 100))
    timeline = draw([(HOUR, 100), (99 * HOUR, 1000)], 9 * HOUR, is_frozen=True)
    assert (timeline.begin, timeline.end, timeline.now) == (HOUR, 9 * HOUR, 100)
    assert (timeline.past, timeline.future, timeline.next) == ((Bar(0, 100, 10),), (), None)


@pytest.mark.parametrize(
    ("begin", "seconds", "labels"),
    [
        # 2026-12-01 00:00 UTC is 07:00 in Jakarta.
        ("2026-12-01T00:10", 90 * 60, ["07:30", "08:00", "08:30"]),
        ("2026-12-01T00:10", 8 * HOUR, ["09:00", "12:00", "15:00"]),
        ("2026-12-01T08:00", 20 * HOUR, ["18:00", "12-02", "06:00"]),
        ("2026-12-01T00:00", 4 * DAY, ["12-02", "12-03", "12-04", "12-05"]),
        ("2026-12-01T00:00", 12 * DAY, ["12-04", "12-07", "12-10", "12-13"]),
        ("2026-12-01T00:00", 400 * DAY, ["2027-03", "2027-05", "2027-08", "2027-11"]),
    ],
)
def test_ticks_are_round_local_times(zone, begin, seconds, labels):
    """There are at most five ticks at round hours, with the day's name at midnight."""
    zone("Asia/Jakarta")
    start = int(time.mktime(time.strptime(begin, "%Y-%m-%dT%H:%M"))) + 7 * HOUR
    assert [label for _, label in find_ticks(start, start + seconds)] == labels


def test_ticks_across_a_25_hour_day(zone):
    """Midnights are right on 2026-10-25, when Berlin's clocks are set back."""
    zone("Europe/Berlin")
    saturday = int(time.mktime((2026, 10, 24, 0, 0, 0, 0, 0, -1)))
    ticks = find_ticks(saturday, saturday + 3 * DAY + HOUR)
    assert [label for _, label in ticks] == ["10-24", "10-25", "10-26", "10-27"]
    assert [at - saturday for at, _ in ticks] == [0, DAY, 2 * DAY + HOUR, 3 * DAY + HOUR]


def change(action, finished_at, *schedule, state=State.DONE):
    """Return a change as the chart reads it."""
    return SimpleNamespace(
        action=action,
        state=state,
        finished_at=finished_at,
        schedule=[Share(start, permille) for start, permille in schedule],
    )


def test_earlier_steps_are_kept():
    """Steps of former schedules are shown if they began while these were public.

    After a rebuild of the database, no changes are known, and only the schedule is shown.
    """
    assert join_history([(1000, 10)], []) == [(1000, 10)]
    changes = [
        change("schedule", 5000, (3000, 250), (5000, 1000)),
        change("pause", 4000, (1000, 10), (2000, 100), (3000, 250)),
        change("schedule", None, (9, 9), state=State.WAITING),
        change("offer", 1000, (1000, 10), (2000, 100), (3000, 250), (6000, 500)),
        change("offer", 500, (500, 1000)),
    ]
    assert join_history([(3000, 250), (5000, 1000)], changes) == [
        *[(1000, 10), (2000, 100), (3000, 250), (5000, 1000)],
    ]
