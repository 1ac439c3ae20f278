"""Sums of what processes counted."""

from hypothesis import given
from hypothesis import strategies as st

from server.device.counts import Counts
from server.processes.tally import Tally

REPORTS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(REPORTS)
def test_any_reports(reports):
    """The sum is that of the last reports; what ended counts, and has nothing open any more."""
    tally = Tally()
    served, opened = dict.fromkeys((1, 2, 3), 0), dict.fromkeys((1, 2, 3), 0)
    for worker, more, connections in reports:
        served[worker] += more
        opened[worker] = connections
        counts = Counts(unknown_headers=served[worker], connections=connections)
        counts.answers[200] = served[worker]
        tally.report(worker, counts)
    assert tally.total.answers[200] == tally.total.unknown_headers == sum(served.values())
    assert tally.total.connections == sum(opened.values())
    tally.forget(1)
    assert tally.total.answers[200] == sum(served.values())
    assert tally.total.connections == opened[2] + opened[3]


def test_a_number_that_is_given_again():
    """Another process of the same number begins to count from nothing."""
    tally = Tally()
    for number in (5, 3):
        counts = Counts()
        counts.answers[404] = number
        tally.report(7, counts)
        tally.forget(7)
    assert tally.total.answers[404] == 8
