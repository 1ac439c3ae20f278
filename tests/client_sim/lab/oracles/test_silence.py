"""Whatever leaves between polls is found."""

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.judging import judge_schedule
from client_sim.lab.oracles.silence import judge_silence
from client_sim.lab.trace.observation import Channel, Departure, Observation


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
