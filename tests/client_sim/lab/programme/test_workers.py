"""The programme over several processes."""

from concurrent.futures.process import BrokenProcessPool

import pytest

from client_sim.lab.errors import LabError
from client_sim.lab.programme.workers import Mapper


class Dying:
    """A pool whose process dies behind its first result."""

    def map(self, call, *arguments):
        """Give one result."""
        yield call(*(each[0] for each in arguments))
        raise BrokenProcessPool("a process in the pool was terminated abruptly")


def test_a_process_that_dies_is_one_sentence():
    """What was done before it comes out; then the lab says what to look for."""
    results = Mapper(Dying()).map(abs, [(-1,), (-2,)])
    assert next(results) == 1
    with pytest.raises(LabError, match="has ended, killed or by the client"):
        next(results)


def test_nothing_to_do_gives_nothing():
    """No task, no result."""
    assert list(Mapper(Dying()).map(abs, [])) == []
