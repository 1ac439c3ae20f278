"""Due times of our own phone follow from fresh draws of eight octets."""

import pytest

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.formula import judge_formula
from client_sim.lab.trace.observation import Channel, Departure, Draw, Observation

U = (20_000).to_bytes(8, "big")  # 20000 mod 14401 = 5599, so the interval is 19999
DRAWS = (Draw("poll 1", U),)


def observe(due, draws=DRAWS):
    """Make one poll at 1000.0 with this due time."""
    scheduled = Departure(1000.0, "poll 1", Channel.SCHEDULE, -1, repr(due).encode())
    return Observation((scheduled,), tuple(draws), (), (), None)


def test_an_explained_interval_is_regular():
    """The hand-computed due time of a known draw."""
    assert judge_formula(observe(20_999.0)) == ()
    assert judge_formula(observe(20_999.0003)) == ()


@pytest.mark.parametrize(
    "seen",
    [
        observe(21_000.0),
        observe(20_999.5),
        observe(20_999.25),
        observe(20_999.0, draws=()),
        observe(20_999.0, draws=(Draw("start", U),)),
        observe(20_999.0, draws=(Draw("poll 1", U[1:]),)),
    ],
)
def test_any_other_is_not(seen):
    """A second off, a draw of another poll or of another length: none explains the interval."""
    (found,) = judge_formula(seen)
    assert (found.where, found.channel, found.field) == (
        *("next poll, poll 1", "next poll", "interval"),
    )
    assert found.offending() == b"%g" % (float(seen.departures[0].octets) - 1000)


def test_a_second_draw_is_a_choice():
    """Two draws of eight octets, the last of which explains the interval: it could be chosen."""
    other = Draw("poll 1", b"\x01" * 8)
    (found,) = judge_formula(observe(20_999.0, draws=(other, *DRAWS)))
    assert "drawn 2 times" in found.explanation
    assert judge_formula(observe(20_999.0, draws=(Draw("poll 2", U), *DRAWS))) == ()


def test_a_finding_says_what_was_expected():
    """Word for word."""
    octets = b"20000"
    words = (
        "the next poll comes 20000 s later, which no eight octets that were drawn for this poll "
        "explain"
    )
    assert judge_formula(observe(21_000.0)) == (
        Finding("next poll, poll 1", words, octets, 0, 5, None, "next poll", "interval"),
    )
