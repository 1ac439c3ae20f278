"""Deadlines on a clock that is turned by hand."""

import heapq
import itertools

import pytest

from server.processes.deadline import Deadline


class Clock:
    """Calls what is due when it is turned, as a loop does that stood still meanwhile."""

    def __init__(self):
        self.now = 0.0
        self._due = []
        self._numbers = itertools.count()

    def call_later(self, delay, callback, *arguments):
        """Call later."""
        entry = [self.now + delay, next(self._numbers), callback, arguments]
        heapq.heappush(self._due, entry)
        return Handle(entry)

    def turn(self, seconds):
        """Let time pass, and call what is due by then."""
        self.now += seconds
        due, self._due = self._due, []
        for entry in due:
            if entry[0] > self.now:
                heapq.heappush(self._due, entry)
            elif entry[2] is not None:
                entry[2](*entry[3])


class Handle:
    """Cancels a call."""

    def __init__(self, entry):
        self._entry = entry

    def cancel(self):
        """Do not call."""
        self._entry[2] = None


@pytest.mark.parametrize("seconds", [0.5, 1.5, 10.0, 30.0])
def test_a_deadline_on_a_loop_that_runs(seconds):
    """It passes after its seconds, and not before."""
    clock, passed = Clock(), []
    Deadline(clock.call_later, seconds, lambda: passed.append(clock.now))
    while not passed:
        clock.turn(0.25)
    assert passed == [seconds]


@pytest.mark.parametrize("seconds", [0.5, 1.5, 10.0, 30.0])
def test_a_loop_that_stood_still(seconds):
    """That is one step, however long it was; a deadline has two at least."""
    clock, passed = Clock(), []
    Deadline(clock.call_later, seconds, lambda: passed.append(clock.now))
    clock.turn(600)
    assert not passed
    for _ in range(29):
        clock.turn(600)
    assert passed


def test_a_deadline_that_is_cancelled():
    """It never passes, whichever step was the last."""
    clock, passed = Clock(), []
    deadline = Deadline(clock.call_later, 10, lambda: passed.append(clock.now))
    clock.turn(3)
    deadline.cancel()
    for _ in range(20):
        clock.turn(3)
    assert not passed
