"""Intervals must be in range, drawn afresh and independent of the past; due times must not move."""

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
    """Draws uniformly from other bytes than hening, and twice."""

    def next_poll(self, now):
        """Scale 32 bits to the range; the first draw is not used."""
        self.world.entropy(1)
        return now + 14_400 + int.from_bytes(self.world.entropy(4), "big") * 14_400 / 2**32


class FixedPhase(ToyClient):
    """Draws only once."""

    def next_poll(self, now):
        """Use the first draw."""
        drawn = self.world.state.setdefault("phase", self.world.entropy(8))
        return now + 14_400 + int.from_bytes(drawn, "big") % 14_401


class Congruent(ToyClient):
    """Draws until the interval is congruent to a number that identifies the phone."""

    def next_poll(self, now):
        """Draw repeatedly."""
        known = self.world.state.setdefault("known", self.world.entropy(1))[0]
        while (drawn := int.from_bytes(self.world.entropy(8), "big") % 14_401) % 256 != known:
            pass
        return now + 14_400 + drawn


class ByTheHour(ToyClient):
    """Polls sooner in even hours."""

    def next_poll(self, now):
        """Draw from one half of the range, by the hour."""
        drawn = int.from_bytes(self.world.entropy(8), "big") % 7201
        return now + 14_400 + drawn + (7200 if now % 7200 < 3600 else 0)


def observe(factory, public, instead):
    """Run four polls, with other randomness for some of them."""
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


def test_fresh_draws_are_clean(public):
    """A client with another formula is clean, too."""
    for factory in (ToyClient, FourBytes):
        with case(factory):
            assert [history(factory, public, n) for n in range(4)] == [()] * 4
            assert freshness(factory, public) == ()
            assert judge_range(observe(factory, public, {})) == ()


def test_dependence_on_the_past_is_found(public):
    """The same draw gives another interval if the past differs."""
    for factory in (FixedPhase, Congruent, ByTheHour):
        with case(factory):
            found = [finding for n in range(4) for finding in history(factory, public, n)]
            assert found
            assert {(f.channel, f.field) for f in found} == {("next poll", "interval")}
            assert all(f.data != f.other for f in found)


def test_phase_that_is_drawn_once_is_not_fresh(public):
    """Other randomness gives the same interval."""
    (found,) = freshness(FixedPhase, public)
    assert "4 of 4 intervals are the same" in found.explanation
    assert found.where == "next poll, poll 3"


def scheduled(*intervals, at=1000.0):
    """Make a run of polls with these intervals."""
    departures = []
    for number, seconds in enumerate(intervals, 1):
        due = repr(at + seconds).encode()
        departures.append(Departure(at, f"poll {number}", Channel.SCHEDULE, -1, due))
        at += seconds
    return Observation(tuple(departures), (), (), (), None)


def test_range_of_intervals():
    """Four and eight hours are allowed."""
    for seconds, clean in (
        *((14_400.0, True), (28_800.0, True), (14_399.0, False), (28_801.0, False)),
        *((float("nan"), False), (float("inf"), False), (-1.0, False)),
    ):
        with case(seconds, clean):
            found = judge_range(scheduled(seconds))
            assert (found == ()) == clean
            assert clean or found[0].data == f"{seconds:g}".encode()


def test_decode_intervals():
    """Intervals are numbered by poll."""
    first, second = decode_intervals(scheduled(15_000.0, 20_000.5))
    assert (first.poll, first.at, first.seconds) == (1, 1000.0, 15_000.0)
    assert (second.poll, second.at, second.seconds) == (2, 16_000.0, 20_000.5)


def test_intervals_are_compared_with_the_precision_of_epoch_seconds():
    """A rounding error is no difference; a thousandth of a second is."""
    one = scheduled(15_000.0, 15_000.1)
    assert judge_history(one, scheduled(15_000.3, 15_000.1), [2]) == ()
    assert len(judge_history(one, scheduled(15_000.3, 15_000.101), [2])) == 1
    assert judge_history(one, scheduled(20_000.0, 15_000.1), []) == ()


def test_interval_of_only_one_run_is_found():
    """A client may end early because of its past."""
    (found,) = judge_history(scheduled(15_000.0), scheduled(15_000.0, 16_000.0), [1, 2])
    assert "only one" in found.explanation
    assert found.data == b"16000"


def redrawn(*dues, name="off 1"):
    """Make a run of two polls, with due times drawn in between, so many seconds ahead."""
    first, second = scheduled(15_000.0, 15_100.0).departures
    later = []
    for number, due in enumerate(dues, 1):
        at = first.at + 10 * number
        data = f"{at + due:.3f}".encode()
        later.append(Departure(at, f"{name}.{number}", Channel.DUE, -1, data))
    return Observation((first, *later, second), (), (), (), None)


def test_redraws_between_polls_are_compared():
    """They are compared by poll and step, if both runs have the same steps."""
    assert decode_redraws(redrawn(20_000.0)) == {1: {"off 1.1": Interval(1, 1010.0, 21_010.0)}}
    before = Departure(1.0, "off 0.1", Channel.DUE, -1, b"20001.0")
    assert list(decode_redraws(Observation((before,), (), (), (), None))) == [0]
    assert judge_history(redrawn(20_000.0, 21_000.0), redrawn(20_000.0, 21_000.0), [1, 2]) == ()
    one, other = redrawn(20_000.0, 21_000.0), redrawn(20_000.0, 21_005.0)
    (found,) = judge_history(one, other, [1, 2])
    assert "21000 s and 21005 s" in found.explanation
    assert judge_history(one, other, [2]) == ()
    assert judge_history(one, redrawn(20_000.0, 21_005.0, name="off 2"), [1, 2]) == ()


def test_equal_intervals_by_chance_are_clean():
    """Two equal intervals of five, or three of six, can be chance; three of five cannot."""
    equal = (scheduled(15_000.0), scheduled(15_000.0))
    other = (scheduled(15_000.0), scheduled(15_001.0))
    assert judge_freshness([equal] * 2 + [other], 1) == ()
    assert judge_freshness([equal] * 3 + [other] * 3, 1) == ()
    assert len(judge_freshness([equal] * 3 + [other] * 2, 1)) == 1
    with pytest.raises(ValueError, match="3 pairs"):
        judge_freshness([equal] * 2, 1)


def finding(poll, explanation, data, other=None):
    """Return a finding about an interval."""
    return Finding(
        *(f"next poll, poll {poll}", explanation, data, 0, len(data), other),
        *("next poll", "interval"),
    )


def test_exact_findings():
    """Each finding shows both intervals, if there are two."""
    short, long = scheduled(10.0, 20_000.0, 20_000.0), scheduled(10.0, 20_001.0)
    assert judge_range(short) == (
        finding(1, "the next poll comes 10 s later, not 4 to 8 hours later", b"10"),
    )
    assert judge_history(short, long, [1, 2, 3]) == (
        finding(
            2,
            "the same randomness gives 20000 s and 20001 s, so the interval also depends on "
            "something else",
            *(b"20000", b"20001"),
        ),
        finding(3, "only one of two runs has an interval after poll 3", b"20000"),
    )
    assert judge_freshness([(short, short)] * 3, 2) == (
        finding(
            2,
            "3 of 3 intervals are the same with other randomness, so they are not drawn afresh",
            *(b"20000", b"20000"),
        ),
    )


def test_freshness_is_judged_at_one_poll():
    """Equal intervals after other polls do not count."""
    one, other = scheduled(20_000.0, 15_000.0), scheduled(20_000.0, 16_000.0)
    assert judge_freshness([(one, other)] * 3, 2) == ()
    assert len(judge_freshness([(one, other)] * 3, 1)) == 1
    assert judge_freshness([(one, scheduled(15_000.0))] * 3, 2) == ()


def test_lengths_are_compared_to_four_units_of_the_last_place():
    """At 2^30 s a unit is 2^-22 s; the coarser unit of both due times counts."""
    at, unit = 2.0**30, 2.0**-22
    base = Interval(1, at, at + 15_000)
    for units, equal in ((0, True), (4, True), (5, False), (-4, True), (-5, False)):
        other = Interval(1, at, at + 15_000 + units * unit)
        assert base.is_as_long_as(other) == other.is_as_long_as(base) == equal
    coarse = Interval(1, 2.0**40, 2.0**40 + 15_000 + 2.0**-12)
    assert base.is_as_long_as(coarse)
    assert coarse.is_as_long_as(base)


def test_freshness_shows_the_first_pair():
    """The finding shows both intervals of the first pair, which differ only by rounding."""
    pairs = [
        (scheduled(long, at=2.0**52), scheduled(long + 4, at=2.0**52))
        for long in (20_000.0, 21_000.0, 22_000.0)
    ]
    (found,) = judge_freshness(pairs, 1)
    assert (found.data, found.other) == (b"20000", b"20004")


def test_renewal_is_judged_at_polls_of_one_pair():
    """Three equal intervals of five raise an alarm, two do not; other polls do not count."""
    one = scheduled(15_000.0, 16_000.0, 17_000.0, 18_000.0, 19_000.0, 20_000.0)
    other = scheduled(15_000.0, 16_001.0, 17_000.0, 18_000.0, 19_002.0, 20_000.0)
    (found,) = judge_renewal(one, other, range(2, 7))
    assert found.data == b"17000"
    assert judge_renewal(one, other, range(1, 4)) == ()
    assert judge_renewal(one, other, range(2, 6)) == ()
    with pytest.raises(ValueError, match="renewal needs 3 polls or more"):
        judge_renewal(one, one, range(1, 3))


def leave(phase, channel=Channel.DNS):
    """Make a run with one departure in a phase."""
    return Observation(
        (Departure(2000.0, phase, channel, -1, b"updates.example.org"),), (), (), (), None
    )


def test_departure_between_polls_is_found():
    """A question during an event is a finding; one in a poll is not."""
    for judge in (judge_silence, judge_schedule):
        (found,) = judge(leave("step 2 call-placed"))
        data = b"updates.example.org"
        assert found == Finding(
            "dns question, step 2 call-placed",
            "nothing may be sent between polls",
            *(data, 0, 19, None, "dns question", "time"),
        )
        assert judge(leave("poll 2")) == ()
        assert len(judge(leave("start"))) == 1


def test_crash_between_polls_is_not_judged():
    """A crash sends nothing; completion judges it."""
    assert judge_silence(leave("step 2 call-placed", Channel.CRASH)) == ()


def test_schedule_judges_the_range():
    """An interval of one second is one finding."""
    due = Departure(2000.0, "poll 1", Channel.SCHEDULE, -1, b"2001.0")
    (found,) = judge_schedule(Observation((due,), (), (), (), None))
    assert found.field == "interval"


AT = 100_000.0
DUE = 120_000.0


def judge_step(step, at, due):
    """Judge a phone that is due at `DUE` and shows another due time after a step."""
    sent = Departure(AT, "poll 1", Channel.BYTES, 0, b"GET / HTTP/1.1\r\n\r\n")
    first = Departure(AT, "poll 1", Channel.SCHEDULE, -1, repr(DUE).encode())
    again = Departure(at, f"step 2 {step}", Channel.DUE, -1, repr(due).encode())
    seen = Observation((sent, first, again), (), (), (), None)
    assert judge_due(seen) == judge_schedule(seen)
    return judge_due(seen)


def test_moved_due_time_is_found():
    """The finding shows both times."""
    for step in ("reboot", "sms-received", "back 60"):
        with case(step):
            for due in (DUE + 0.5, DUE - 3000):
                (found,) = judge_step(step, AT + 10, due)
                assert found.explanation == f"the due time moved by {due - DUE:+g} s"
                assert (found.data, found.other) == (repr(due).encode(), repr(DUE).encode())
                assert found.where == f"next poll, asked again, step 2 {step}"
                assert (found.channel, found.field) == ("next poll, asked again", "due time")
                assert (found.offset, found.length) == (0, len(repr(due)))


def test_redraw_must_be_in_range():
    """After a reset, a passed due time or one days ahead: 4 to 8 hours ahead, or already due."""
    for step, at in (
        ("factory-reset", AT + 10),
        ("off 86400", AT + 86_410),
        ("back 90000", AT - 90_000),
    ):
        with case(step, at):
            for ahead in (14_400, 28_800, 0, -60):
                assert judge_step(step, at, at + ahead) == ()
            for ahead in (1, 14_399, 28_801):
                (found,) = judge_step(step, at, at + ahead)
                assert found.explanation == (
                    f"the next poll comes {ahead} s later, not 4 to 8 hours later"
                )
                assert (found.field, found.other) == ("due time", None)


def test_limits_of_a_due_time_that_is_ahead():
    """At the due time it has passed; more than eight hours before it is invalid."""
    assert judge_step("reboot", DUE, DUE + 14_400) == ()
    for at in (DUE - 0.5, DUE - 28_800):
        (found,) = judge_step("reboot", at, at + 14_400)
        assert found.other == repr(DUE).encode()
    assert judge_step("reboot", DUE - 28_800.5, DUE - 14_400.5) == ()


def test_first_due_time_is_new():
    """There is no earlier due time to keep, even at the start of the epoch."""
    first = Departure(0.5, "step 1 reboot", Channel.DUE, -1, b"14400.5")
    assert judge_due(Observation((first,), (), (), (), None)) == ()


def test_last_due_time_is_kept():
    """A due time that was drawn again must not move, either."""
    first = Departure(AT, "poll 1", Channel.SCHEDULE, -1, repr(DUE).encode())
    reset = Departure(AT + 10, "step 2 factory-reset", Channel.DUE, -1, b"125000.0")
    moved = Departure(AT + 20, "step 3 reboot", Channel.DUE, -1, repr(DUE).encode())
    (found,) = judge_due(Observation((first, reset, moved), (), (), (), None))
    assert found.other == b"125000.0"
