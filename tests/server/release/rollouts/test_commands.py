"""Rollout commands: their effect on a channel, the reasons to refuse them, and entity tags."""

import msgspec
import pytest

from server.core.errors import FormatError, HeningError
from server.core.names import decode_channel
from server.core.release import decode_release
from server.release.errors import ConflictError, NotFoundError, PreconditionError
from server.release.rollouts.commands import (
    ChannelView,
    Halt,
    Offer,
    Pause,
    Resume,
    Schedule,
    carry_out,
    channel_etag,
    check_if_match,
    view_channel,
)
from server.release.rollouts.plan import Calendar, Plan, Stage, Window
from tests.cases import refuse_each
from tests.server.ceremony import release
from tests.server.release.rollouts.harness import make_pointer

CHANNEL = decode_channel("armani/id/stable")
DAY = 86_400
NOW = 1_764_547_200  # 2025-12-01T00:00Z, a Monday
PLAN = Plan([Stage(10, DAY), Stage(100, DAY), Stage(1000)])
ALWAYS = Calendar(
    "UTC", [Window(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "00:00", "24:00")]
)


def view(pointer=None):
    """Return a channel with releases 1 to 3."""
    paths = {f"{CHANNEL}/{n}.zip": n for n in (1, 2, 3)}
    releases = {path: decode_release(path, release(n)) for path, n in paths.items()}
    files = {path: (n * 1000, f"{n:064x}") for path, n in paths.items()}
    return ChannelView(CHANNEL, 1, releases, files, pointer)


class Harness:
    """Carries out commands in turn and keeps the plan's course, as the service does."""

    def __init__(self):
        self.pointer, self.course = None, None

    def do(self, command, now):
        """Carry out a command and return the pointer."""
        edited = carry_out(command, view(self.pointer), self.course, now)
        self.pointer, self.course = edited.pointer, edited.course
        assert [tuple(pair) for pair in self.course.schedule] == list(self.pointer.schedule)
        assert len(self.course.ready) == len(self.pointer.schedule)
        return self.pointer


@pytest.fixture
def harness():
    """Return a channel that offers release 1 by PLAN."""
    harness = Harness()
    harness.do(Offer(1, PLAN), NOW)
    return harness


def test_an_offer(harness):
    """An offer's plan begins when the offer is published."""
    assert harness.pointer.steps[-1].counter == 1
    assert list(harness.pointer.schedule) == [(NOW, 10), (NOW + DAY, 100), (NOW + 2 * DAY, 1000)]
    with pytest.raises(HeningError, match="already offers 1 \\(build 1\\); offer a later build"):
        harness.do(Offer(1, PLAN), NOW)


def test_pause_and_resume(harness):
    """A resume continues the plan with the time that was left at the pause.

    Expected: after six hours of the first day, eighteen hours are left.
    """
    pointer = harness.do(Pause({"en": "A look at it."}), NOW + DAY // 4)
    assert (pointer.paused, list(pointer.schedule)) == (True, [(NOW, 10)])
    resumed = NOW + 7 * DAY
    pointer = harness.do(Resume(), resumed)
    assert (pointer.paused, pointer.reason) == (False, {})
    assert list(pointer.schedule) == [
        (NOW, 10),
        (resumed + 3 * DAY // 4, 100),
        (resumed + 7 * DAY // 4, 1000),
    ]


def test_a_second_pause_keeps_the_rest(harness):
    """A second pause does not change what is left of the plan."""
    harness.do(Pause(), NOW + DAY)
    rest = harness.course.rest
    harness.do(Pause({"en": "Still."}), NOW + 3 * DAY)
    assert harness.course.rest == rest == [(DAY, 1000)]
    assert list(harness.do(Resume(), NOW + 5 * DAY).schedule)[-1] == (NOW + 6 * DAY, 1000)


def test_a_pause_before_the_first_stage(harness):
    """A pause before the first stage keeps the share at 0 and the delay that was left."""
    harness.do(Offer(2, Plan([Stage(10, DAY), Stage(1000)], NOW + DAY)), NOW)
    assert list(harness.do(Pause(), NOW + 100).schedule) == [(NOW + 100, 0)]
    pointer = harness.do(Resume(), NOW + 200)
    assert list(pointer.schedule) == [
        (NOW + 100, 0),
        (NOW + DAY + 100, 10),
        (NOW + 2 * DAY + 100, 1000),
    ]


def test_a_pause_at_the_end(harness):
    """If the offer has reached all phones, a resume only ends the pause."""
    harness.do(Pause(), NOW + 9 * DAY)
    pointer = harness.do(Resume(), NOW + 10 * DAY)
    assert (pointer.paused, pointer.permille_at(NOW + 10 * DAY)) == (False, 1000)
    with pytest.raises(ConflictError, match="is not paused"):
        harness.do(Resume(), NOW + 11 * DAY)


def test_windows_hold_after_a_resume(harness):
    """After a resume, stages start inside the calendar's windows."""
    office = Calendar("Asia/Jakarta", [Window(["mon"], "09:00", "17:00")])
    harness.do(Schedule(Plan([Stage(100, DAY), Stage(1000)], None, office)), NOW)
    assert list(harness.pointer.schedule)[-1] == (NOW + 7 * DAY + 2 * 3600, 1000)
    harness.do(Pause(), NOW + 3 * DAY)
    pointer = harness.do(Resume(), NOW + 8 * DAY)
    assert list(pointer.schedule)[-1] == (NOW + 14 * DAY + 2 * 3600, 1000)


def test_a_new_schedule(harness):
    """A new schedule replaces the plan, ends a pause, and cannot reduce the share."""
    harness.do(Pause(), NOW + DAY)
    pointer = harness.do(
        Schedule(Plan([Stage(500, DAY), Stage(1000)], None, ALWAYS)), NOW + 2 * DAY
    )
    assert not pointer.paused
    assert list(pointer.schedule) == [(NOW + DAY, 100), (NOW + 2 * DAY, 500), (NOW + 3 * DAY, 1000)]
    with pytest.raises(HeningError, match="has reached 50%, and phones cannot be taken out again"):
        harness.do(Schedule(Plan([Stage(100)])), NOW + 2 * DAY)


def test_halt(harness):
    """A halt can be repeated, and only an offer with a higher counter may follow."""
    halted = harness.do(Halt({"en": "It drains."}), NOW)
    assert harness.do(Halt(), NOW + 5) == halted
    for command in (Pause(), Resume(), Schedule(PLAN), Offer(1, PLAN)):
        with pytest.raises(HeningError, match=r"is halted for good|has halted"):
            harness.do(command, NOW + 10)
    assert not harness.do(Offer(2, PLAN), NOW + 20).halted


def test_pause_by_another_server():
    """A pause by another server ends with a new schedule, not with a resume."""
    harness = Harness()
    harness.do(Offer(1, PLAN), NOW)
    harness.do(Pause(), NOW)
    harness.course = None
    harness.do(Pause({"en": "Again."}), NOW + 1)
    with pytest.raises(ConflictError, match="are not recorded here: give a new schedule"):
        harness.do(Resume(), NOW + 5)
    harness.do(Schedule(PLAN), NOW + 5)


def test_commands_before_the_first_offer():
    """Before the first offer, other commands are refused; an unlisted model does not exist."""
    for command in (Schedule(PLAN), Pause(), Resume(), Halt()):
        with pytest.raises(NotFoundError, match="offers nothing yet"):
            carry_out(command, view(), None, NOW)
    with pytest.raises(NotFoundError, match="there is no model armani"):
        view_channel(CHANNEL, None)


def test_entity_tag():
    """The entity tag changes with the pointer and with the role's version only."""
    pointer = make_pointer()
    tags = {
        channel_etag(None, 1),
        channel_etag(pointer, 1),
        channel_etag(pointer, 2),
        channel_etag(msgspec.structs.replace(pointer, paused=True), 1),
        channel_etag(msgspec.structs.replace(pointer, schedule=[(1, 1)]), 1),
    }
    assert len(tags) == 5
    assert channel_etag(make_pointer(), 1) in tags


def test_if_match():
    """If-Match accepts the tag alone, in a list, or `*`; other tags are stale.

    Weak, unquoted and empty tags are malformed, and so is `*` in a list.
    """

    def check(value):
        check_if_match(value, '"a"')

    for value in ('"a"', '"b", "a"', "*", ' "a" '):
        check(value)
    refuse_each(PreconditionError, check, ['"b"', '"b", "c"', '"A"'], "has changed meanwhile")
    malformed = ['W/"a"', "a", "", '"a", *', '"a",', '""']
    refuse_each(FormatError, check, malformed, "a list of quoted entity tags")
