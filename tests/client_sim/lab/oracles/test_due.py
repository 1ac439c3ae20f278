"""Nothing leaves between polls, and a due time that is asked for again stays."""

from client_sim.lab.oracles.due import judge_due
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.judging import judge_schedule
from client_sim.lab.oracles.silence import judge_silence
from client_sim.lab.trace.observation import Channel, Departure, Observation
from tests.cases import case


def observe(phase, channel=Channel.DNS):
    """Make a run in which one thing leaves in a phase."""
    return Observation(
        (Departure(2000.0, phase, channel, -1, b"updates.example.org"),), (), (), (), None
    )


def test_nothing_leaves_between_polls():
    """A question during an event is a finding, whatever it says; one in a poll is not."""
    for judge in (judge_silence, judge_schedule):
        (found,) = judge(observe("step 2 call-placed"))
        data = b"updates.example.org"
        assert found == Finding(
            "dns question, step 2 call-placed",
            "nothing may leave between polls",
            *(data, 0, 19, None, "dns question", "time"),
        )
        assert judge(observe("poll 2")) == ()
        assert len(judge(observe("start"))) == 1


def test_a_crash_between_polls_sent_nothing():
    """It is the business of completion."""
    assert judge_silence(observe("step 2 call-placed", Channel.CRASH)) == ()


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
                assert found.other is None


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
