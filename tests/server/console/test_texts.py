"""Calendars, and entries of the audit log, in words."""

import pytest

from server.console.texts import describe_entry, describe_windows
from server.publisher.build_names import BuildName
from server.release.rollouts.changes import ChangeView, State
from server.release.rollouts.commands import Halt, Offer, Schedule
from server.release.rollouts.plan import WEEKDAYS, Calendar, Plan, Stage, Window

DASH = "\N{EN DASH}"


def test_describe_windows():
    """Three or more consecutive days are a range, others are listed.

    Without a calendar a step begins at any time.
    """
    for days, text in (
        (["thu", "mon", "wed", "tue"], f"Mon{DASH}Thu"),
        (["fri", "sat", "sun"], f"Fri{DASH}Sun"),
        (list(WEEKDAYS), f"Mon{DASH}Sun"),
        (["sat", "sun"], "Sat, Sun"),
        (["mon", "wed", "fri"], "Mon, Wed, Fri"),
        (["sun"], "Sun"),
    ):
        calendar = Calendar("Asia/Jakarta", [Window(days, "09:00", "17:00")])
        plan = Plan([Stage(1000)], calendar=calendar)
        assert describe_windows(plan) == [f"{text} 09:00{DASH}17:00 Asia/Jakarta"]
    assert describe_windows(Plan([Stage(1000)])) == []
    assert describe_windows(None) == []


def change(action, command, build):
    """Return a change proposed by ani."""
    done = {"state": State.DONE, "finished_at": 0, "snapshot": 1, "reason": "", "due_at": 0}
    asked = {"proposed_by": "ani", "proposed_at": 0, "approved_by": None, "approved_at": None}
    what = {"channel": "armani/id/stable", "counter": 1, "note": "", "command": command}
    return ChangeView(id="1", action=action, build=build, **what, **asked, **done)


NAMED = BuildName(2, version="1.2.0-id")
OFFER = change("offer", Offer(2, Plan([Stage(10)])), BuildName(2))
RAISE = change("schedule", Schedule(Plan([Stage(125)])), NAMED)
STEPS = change("schedule", Schedule(Plan([Stage(10, 60), Stage(125)])), NAMED)
HALT = change("halt", Halt(), NAMED)


@pytest.mark.parametrize(
    ("actor", "action", "subject", "entry", "sentence"),
    [
        ("ani/s-01", "rollout.halt.done", "", HALT, "ani halted armani/id/stable (1.2.0-id)"),
        ("ani", "rollout.halt", "", HALT, "ani asked to halt armani/id/stable (1.2.0-id)"),
        (
            "server",
            "rollout.schedule.done",
            "",
            RAISE,
            "server raised armani/id/stable (1.2.0-id) to 12.5%, as ani asked",
        ),
        (
            *("ani", "rollout.schedule.done", "", STEPS),
            "ani gave a new schedule to armani/id/stable (1.2.0-id)",
        ),
        (
            *("budi", "change.approve", "", OFFER),
            "budi approved what ani asked for: offer armani/id/stable (build 2)",
        ),
        (
            *("server", "rollout.offer.refused", "", OFFER),
            "server refused what ani asked for: offer armani/id/stable (build 2)",
        ),
        ("cli:root", "account.create", "ani", None, "cli:root created the account ani"),
        ("ani/s-01", "session.begin", "ani", None, "ani signed in to the console"),
        ("ani", "thing.turn", "it", None, "ani did thing.turn to it"),
        ("ani", "submission.receive", "0" * 64, None, f"ani submitted the bundle {'0' * 16}"),
    ],
)
def test_describe_entry(actor, action, subject, entry, sentence):
    """An entry says who did what to which channel or account, and who proposed it."""
    assert describe_entry(actor, action, subject, entry) == sentence
