"""A device that keeps a phase is found; one that draws afresh is not."""

import hashlib
import math

from client_sim.lab.oracles.concentration import judge_concentration, measure_concentration
from client_sim.lab.oracles.timing import decode_intervals
from client_sim.lab.trace.observation import Channel, Departure, Observation
from tests.cases import case


def drawn(seed, number):
    """Give a number that looks random."""
    data = hashlib.sha256(b"%d %d" % (seed, number)).digest()
    return int.from_bytes(data[:8], "big")


def observe(dues, start=1e9):
    """Make polls, each due when the one before said."""
    departures = []
    for number, due in enumerate(dues, 1):
        data = repr(float(due)).encode()
        departures.append(Departure(start, f"poll {number}", Channel.SCHEDULE, -1, data))
        start = due
    return Observation(tuple(departures), (), (), (), None)


def walk(count, seed, step):
    """Make due times by adding intervals."""
    dues, at = [], 1e9
    for number in range(count):
        at += step(drawn(seed, number), at)
        dues.append(at)
    return observe(dues)


def afresh(draw, _at):
    """Draw as a clean phone does."""
    return 14_400 + draw % 14_401


def test_fresh_draws_have_no_phase():
    """In forty polls or four hundred."""
    for seed in range(20):
        with case(seed):
            assert judge_concentration(walk(40, seed, afresh)) == ()
            assert judge_concentration(walk(400, seed, afresh)) == ()


def test_a_phase_that_is_kept_is_found():
    """In the interval, the minute, the quarter of an hour, two hours, four hours."""
    for step, of in (
        (lambda _draw, _at: 20_000, "intervals"),
        (lambda draw, at: afresh(draw, at) // 60 * 60, "polls modulo 60 s"),
        (lambda draw, at: draw % 9000 // 900 * 900 + 18_000 - at % 900, "polls modulo 900 s"),
        (lambda _draw, at: 21_600 - (at - 1234) % 21_600 + 7200, "polls modulo 7200 s"),
        (lambda draw, at: 21_600 - (at - 1234) % 14_400 + draw % 900, "polls modulo 14400 s"),
    ):
        with case(step, of):
            found = judge_concentration(walk(40, 1, step))
            assert any(f.explanation.startswith(of) for f in found)
            assert {(f.channel, f.field) for f in found} == {("next poll", "interval")}


def test_the_length_is_that_of_the_mean_vector():
    """Quarters of an hour: two at 0, one at 90 degrees, one at 180: R is 1/4 in both axes."""
    seen = observe([1e9 + 800, 1e9 + 900 + 800, 1e9 + 1800 + 1025, 1e9 + 2700 + 1250])
    measured = {m.of: m for m in measure_concentration(decode_intervals(seen))}
    quarter = measured["polls modulo 900 s"]
    assert quarter.count == 4
    assert math.isclose(quarter.length, math.hypot(1, 1) / 4)


def test_the_threshold_follows_from_alpha():
    """Fifteen equal intervals alarm at 1e-9, fourteen do not; none are none."""
    still = [walk(count, 1, lambda _draw, _at: 20_000) for count in (14, 15)]
    assert not any(f.explanation.startswith("intervals") for f in judge_concentration(still[0]))
    assert any(f.explanation.startswith("intervals") for f in judge_concentration(still[1]))
    assert judge_concentration(walk(20, 1, lambda _draw, _at: 20_000), alpha=1e-30) == ()
    assert judge_concentration(observe([])) == ()


def test_a_finding_lists_the_due_times():
    """Word for word."""
    seen = walk(20, 1, lambda _draw, _at: 20_000)
    (found,) = [f for f in judge_concentration(seen) if f.explanation.startswith("intervals")]
    data = b" ".join(b"%d" % (1_000_000_000 + 20_000 * n) for n in range(1, 21))
    assert (found.where, found.data, found.offset, found.length) == (
        *("next poll", data, 0, len(data)),
    )


def test_exactly_at_its_share_of_alpha_there_is_no_finding():
    """A sixth of alpha is that of each statistic."""
    seen = walk(20, 1, lambda _draw, _at: 20_000)
    chances = {m.of: m.chance for m in measure_concentration(decode_intervals(seen))}
    at, above = (
        [f.explanation.split(" of ")[0] for f in judge_concentration(seen, alpha=alpha)]
        for alpha in (6 * chances["intervals"], 6.0001 * chances["intervals"])
    )
    assert "intervals" not in at
    assert "intervals" in above
