"""Intervals are in range, drawn afresh and free of history, and a due time does not move."""

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.judging import judge_schedule
from client_sim.lab.oracles.timing import (
    Interval,
    decode_intervals,
    decode_redraws,
    judge_due,
    judge_freshness,
    judge_history,
    judge_range,
    judge_renewal,
    judge_silence,
)
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)
POLL = 3


class FourBytes(ToyClient):
    """Draws uniformly, but by other bytes than ours, and twice."""

    def next_poll(self, now):
        """Scale 32 bits to the range, where the first draw is kept for nothing."""
        self.world.entropy(1)
        return now + 14_400 + int.from_bytes(self.world.entropy(4), "big") * 14_400 / 2**32


class FixedPhase(ToyClient):
    """Draws once in its life."""

    def next_poll(self, now):
        """Use what was drawn first."""
        drawn = self.world.state.setdefault("phase", self.world.entropy(8))
        return now + 14_400 + int.from_bytes(drawn, "big") % 14_401


class Ground(ToyClient):
    """Draws until the interval is congruent to a number that it is known by."""

    def next_poll(self, now):
        """Draw again and again."""
        known = self.world.state.setdefault("known", self.world.entropy(1))[0]
        while (drawn := int.from_bytes(self.world.entropy(8), "big") % 14_401) % 256 != known:
            pass
        return now + 14_400 + drawn


class ByTheHour(ToyClient):
    """Polls sooner in even hours."""

    def next_poll(self, now):
        """Draw from half of the range, by the clock."""
        drawn = int.from_bytes(self.world.entropy(8), "big") % 7201
        return now + 14_400 + drawn + (7200 if now % 7200 < 3600 else 0)


def observe(factory, public, instead):
    """Run four polls with other seeds for some of them."""
    world = MemoryWorld(
        public, OWNER, entropy=Entropy(b"usual", instead), start=1e9, respond=respond
    )
    return run_scenario(factory, world, IDLE, OWNER)


def history(factory, public, number):
    """Judge two runs that differ in all polls before the third."""
    earlier = dict.fromkeys(range(POLL), b"other %d" % number)
    one, other = observe(factory, public, {}), observe(factory, public, earlier)
    return judge_history(one, other, [POLL, POLL + 1])


def freshness(factory, public):
    """Judge pairs that differ in the third poll alone."""
    one = observe(factory, public, {})
    pairs = [(one, observe(factory, public, {POLL: b"other %d" % n})) for n in range(4)]
    return judge_freshness(pairs, POLL)


def test_whoever_draws_afresh_is_clean(public):
    """Not by our formula alone."""
    for factory in (ToyClient, FourBytes):
        with case(factory):
            assert [history(factory, public, n) for n in range(4)] == [()] * 4
            assert freshness(factory, public) == ()
            assert judge_range(observe(factory, public, {})) == ()


def test_whoever_remembers_is_found(public):
    """The same draw gives another interval when the history is another."""
    for factory in (FixedPhase, Ground, ByTheHour):
        with case(factory):
            found = [finding for n in range(4) for finding in history(factory, public, n)]
            assert found
            assert {(f.channel, f.field) for f in found} == {("next poll", "interval")}
            assert all(f.data != f.other for f in found)


def test_a_phase_that_is_drawn_once_is_not_fresh(public):
    """Other randomness, the same interval."""
    (found,) = freshness(FixedPhase, public)
    assert "4 of 4 intervals are the same" in found.explanation
    assert found.where == "next poll, poll 3"


def scheduled(*intervals, at=1000.0):
    """Make polls that follow each other by these intervals."""
    departures = []
    for number, seconds in enumerate(intervals, 1):
        due = repr(at + seconds).encode()
        departures.append(Departure(at, f"poll {number}", Channel.SCHEDULE, -1, due))
        at += seconds
    return Observation(tuple(departures), (), (), (), None)


def test_the_range_has_hard_ends():
    """Four hours and eight are in it."""
    for seconds, clean in (
        *((14_400.0, True), (28_800.0, True), (14_399.0, False), (28_801.0, False)),
        *((float("nan"), False), (float("inf"), False), (-1.0, False)),
    ):
        with case(seconds, clean):
            found = judge_range(scheduled(seconds))
            assert (found == ()) == clean
            assert clean or found[0].data == f"{seconds:g}".encode()


def test_intervals_are_those_of_the_due_times():
    """Numbered by poll."""
    first, second = decode_intervals(scheduled(15_000.0, 20_000.5))
    assert (first.poll, first.at, first.seconds) == (1, 1000.0, 15_000.0)
    assert (second.poll, second.at, second.seconds) == (2, 16_000.0, 20_000.5)


def test_intervals_are_compared_as_exactly_as_epoch_seconds_are():
    """A rest of the subtraction is no difference; a thousandth of a second is one."""
    one = scheduled(15_000.0, 15_000.1)
    assert judge_history(one, scheduled(15_000.3, 15_000.1), [2]) == ()
    assert len(judge_history(one, scheduled(15_000.3, 15_000.101), [2])) == 1
    assert judge_history(one, scheduled(20_000.0, 15_000.1), []) == ()


def test_an_interval_that_only_one_run_has_is_found():
    """Whose client never came so far shows it by that."""
    (found,) = judge_history(scheduled(15_000.0), scheduled(15_000.0, 16_000.0), [1, 2])
    assert "only one" in found.explanation
    assert found.data == b"16000"


def redrawn(*dues, name="off 1"):
    """Observe two polls, between which due times are drawn again, so many seconds ahead."""
    first, second = scheduled(15_000.0, 15_100.0).departures
    later = []
    for number, due in enumerate(dues, 1):
        at = first.at + 10 * number
        data = f"{at + due:.3f}".encode()
        later.append(Departure(at, f"{name}.{number}", Channel.DUE, -1, data))
    return Observation((first, *later, second), (), (), (), None)


def test_what_is_drawn_again_between_polls_is_compared():
    """By the poll before it and by its step; where the steps are others nothing is."""
    assert decode_redraws(redrawn(20_000.0)) == {1: {"off 1.1": Interval(1, 1010.0, 21_010.0)}}
    before = Departure(1.0, "off 0.1", Channel.DUE, -1, b"20001.0")
    assert list(decode_redraws(Observation((before,), (), (), (), None))) == [0]
    assert judge_history(redrawn(20_000.0, 21_000.0), redrawn(20_000.0, 21_000.0), [1, 2]) == ()
    one, other = redrawn(20_000.0, 21_000.0), redrawn(20_000.0, 21_005.0)
    (found,) = judge_history(one, other, [1, 2])
    assert "21000 s and 21005 s" in found.explanation
    assert judge_history(one, other, [2]) == ()
    assert judge_history(one, redrawn(20_000.0, 21_005.0, name="off 2"), [1, 2]) == ()


def test_chance_is_no_alarm():
    """Two equal intervals of five, or three of six, can still be chance; three of five cannot."""
    equal = (scheduled(15_000.0), scheduled(15_000.0))
    other = (scheduled(15_000.0), scheduled(15_001.0))
    assert judge_freshness([equal] * 2 + [other], 1) == ()
    assert judge_freshness([equal] * 3 + [other] * 3, 1) == ()
    assert len(judge_freshness([equal] * 3 + [other] * 2, 1)) == 1
    with pytest.raises(ValueError, match="3 pairs"):
        judge_freshness([equal] * 2, 1)


def finding(poll, explanation, data, other=None):
    """Write a whole finding about an interval."""
    return Finding(
        *(f"next poll, poll {poll}", explanation, data, 0, len(data), other),
        *("next poll", "interval"),
    )


def test_every_sentence():
    """Word for word."""
    short, long = scheduled(10.0, 20_000.0, 20_000.0), scheduled(10.0, 20_001.0)
    assert judge_range(short) == (
        finding(1, "the next poll comes 10 s later, not 4 to 8 hours later", b"10"),
    )
    assert judge_history(short, long, [1, 2, 3]) == (
        finding(
            2,
            "the same randomness gives 20000 s and 20001 s, so the interval depends on more than "
            "it",
            *(b"20000", b"20001"),
        ),
        finding(3, "only one of two runs has an interval behind poll 3", b"20000"),
    )
    assert judge_freshness([(short, short)] * 3, 2) == (
        finding(
            2,
            "3 of 3 intervals are the same with other randomness, so they are not drawn afresh",
            *(b"20000", b"20000"),
        ),
    )


def test_freshness_looks_at_one_poll():
    """The same intervals behind other polls say nothing about it."""
    one, other = scheduled(20_000.0, 15_000.0), scheduled(20_000.0, 16_000.0)
    assert judge_freshness([(one, other)] * 3, 2) == ()
    assert len(judge_freshness([(one, other)] * 3, 1)) == 1
    assert judge_freshness([(one, scheduled(15_000.0))] * 3, 2) == ()


def test_lengths_are_compared_to_four_units_of_the_last_place():
    """At 2^30 s a unit is 2^-22 s; the coarser of both due times counts."""
    at, unit = 2.0**30, 2.0**-22
    base = Interval(1, at, at + 15_000)
    for units, equal in ((0, True), (4, True), (5, False), (-4, True), (-5, False)):
        other = Interval(1, at, at + 15_000 + units * unit)
        assert base.is_as_long_as(other) == other.is_as_long_as(base) == equal
    coarse = Interval(1, 2.0**40, 2.0**40 + 15_000 + 2.0**-12)
    assert base.is_as_long_as(coarse)
    assert coarse.is_as_long_as(base)


def test_freshness_shows_the_first_pair():
    """Both of its intervals, also where they are equal but for the precision of such a time."""
    pairs = [
        (scheduled(long, at=2.0**52), scheduled(long + 4, at=2.0**52))
        for long in (20_000.0, 21_000.0, 22_000.0)
    ]
    (found,) = judge_freshness(pairs, 1)
    assert (found.data, found.other) == (b"20000", b"20004")


def test_renewal_looks_at_polls_of_one_pair():
    """Three equal of five are an alarm, two are not; polls that are not named say nothing."""
    one = scheduled(15_000.0, 16_000.0, 17_000.0, 18_000.0, 19_000.0, 20_000.0)
    other = scheduled(15_000.0, 16_001.0, 17_000.0, 18_000.0, 19_002.0, 20_000.0)
    (found,) = judge_renewal(one, other, range(2, 7))
    assert found.data == b"17000"
    assert judge_renewal(one, other, range(1, 4)) == ()
    assert judge_renewal(one, other, range(2, 6)) == ()
    with pytest.raises(ValueError, match="renewal needs 3 polls or more"):
        judge_renewal(one, one, range(1, 3))


def leave(phase, channel=Channel.DNS):
    """Make a run in which one thing leaves in a phase."""
    return Observation(
        (Departure(2000.0, phase, channel, -1, b"updates.example.org"),), (), (), (), None
    )


def test_nothing_leaves_between_polls():
    """A question during an event is a finding, whatever it says; one in a poll is not."""
    for judge in (judge_silence, judge_schedule):
        (found,) = judge(leave("step 2 call-placed"))
        data = b"updates.example.org"
        assert found == Finding(
            "dns question, step 2 call-placed",
            "nothing may leave between polls",
            *(data, 0, 19, None, "dns question", "time"),
        )
        assert judge(leave("poll 2")) == ()
        assert len(judge(leave("start"))) == 1


def test_a_crash_between_polls_sent_nothing():
    """It is the business of completion."""
    assert judge_silence(leave("step 2 call-placed", Channel.CRASH)) == ()


def test_the_schedule_has_a_range_too():
    """An interval of a second is one finding."""
    due = Departure(2000.0, "poll 1", Channel.SCHEDULE, -1, b"2001.0")
    (found,) = judge_schedule(Observation((due,), (), (), (), None))
    assert found.field == "interval"


AT = 100_000.0
DUE = 120_000.0


def judge(step, at, due):
    """Judge a phone that was due at `DUE` and says another time behind a step."""
    sent = Departure(AT, "poll 1", Channel.BYTES, 0, b"GET / HTTP/1.1\r\n\r\n")
    first = Departure(AT, "poll 1", Channel.SCHEDULE, -1, repr(DUE).encode())
    again = Departure(at, f"step 2 {step}", Channel.DUE, -1, repr(due).encode())
    seen = Observation((sent, first, again), (), (), (), None)
    assert judge_due(seen) == judge_schedule(seen)
    return judge_due(seen)


def test_what_moves_while_it_is_still_ahead_is_found():
    """By half a second or by hours, sooner or later; the finding has both times."""
    for step in ("reboot", "sms-received", "back 60"):
        with case(step):
            for due in (DUE + 0.5, DUE - 3000):
                (found,) = judge(step, AT + 10, due)
                assert found.explanation == f"the due time moved by {due - DUE:+g} s"
                assert (found.data, found.other) == (repr(due).encode(), repr(DUE).encode())
                assert found.where == f"next poll, asked again, step 2 {step}"
                assert (found.channel, found.field) == ("next poll, asked again", "due time")
                assert (found.offset, found.length) == (0, len(repr(due)))


def test_a_phone_that_must_draw_again_draws_in_range():
    """After a reset, past the due time, or days before it: 4 to 8 hours from then, or now."""
    for step, at in (
        ("factory-reset", AT + 10),
        ("off 86400", AT + 86_410),
        ("back 90000", AT - 90_000),
    ):
        with case(step, at):
            for ahead in (14_400, 28_800, 0, -60):
                assert judge(step, at, at + ahead) == ()
            for ahead in (1, 14_399, 28_801):
                (found,) = judge(step, at, at + ahead)
                assert found.explanation == (
                    f"the next poll comes {ahead} s later, not 4 to 8 hours later"
                )
                assert (found.field, found.other) == ("due time", None)


def test_a_due_time_is_ahead_from_now_up_to_eight_hours():
    """At the moment itself it has passed, just before it has not; at most it was drawn just now."""
    assert judge("reboot", DUE, DUE + 14_400) == ()
    for at in (DUE - 0.5, DUE - 28_800):
        (found,) = judge("reboot", at, at + 14_400)
        assert found.other == repr(DUE).encode()
    assert judge("reboot", DUE - 28_800.5, DUE - 14_400.5) == ()


def test_a_phone_that_was_never_asked_has_nothing_to_keep():
    """Its first answer is new, at the beginning of time, too."""
    first = Departure(0.5, "step 1 reboot", Channel.DUE, -1, b"14400.5")
    assert judge_due(Observation((first,), (), (), (), None)) == ()


def test_the_last_answer_counts():
    """A time that was drawn again is kept as the first one is."""
    first = Departure(AT, "poll 1", Channel.SCHEDULE, -1, repr(DUE).encode())
    reset = Departure(AT + 10, "step 2 factory-reset", Channel.DUE, -1, b"125000.0")
    moved = Departure(AT + 20, "step 3 reboot", Channel.DUE, -1, repr(DUE).encode())
    (found,) = judge_due(Observation((first, reset, moved), (), (), (), None))
    assert found.other == b"125000.0"
