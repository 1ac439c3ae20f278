"""Limits of a client under test: it can neither hang the lab nor end its process."""

import os
import posix
import signal
import time

import pytest

from client_sim.lab.scenarios.limits import Overdue, Watchdog, confine
from tests.cases import case


class Stubborn:
    """Waits, and swallows a number of exceptions of a kind."""

    def __init__(self, kind, times):
        self.kind, self.times, self.swallowed = kind, times, 0

    def wait(self):
        """Wait forever."""
        while True:
            try:
                time.sleep(30)
            except self.kind:
                self.swallowed += 1
                if self.swallowed == self.times:
                    raise


def test_waiting_client_is_interrupted():
    """`except Exception` does not catch the interruption; `except BaseException` only delays it."""
    client = Stubborn(Exception, 1)
    with pytest.raises(Overdue), confine(0.05):
        client.wait()
    assert client.swallowed == 0
    client = Stubborn(BaseException, 3)
    with pytest.raises(Overdue), confine(0.05):
        client.wait()
    assert client.swallowed == 3


def test_client_cannot_end_the_process():
    """`_exit` raises SystemExit while a client runs; afterwards it is the original."""
    for module in (os, posix):
        with case(module):
            before = module._exit
            with pytest.raises(SystemExit), confine(5.0):
                module._exit(0)
            assert module._exit is before


def test_timer_of_another_program_continues():
    """A test runner may have set one."""
    handler = signal.getsignal(signal.SIGALRM)
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    with confine(5.0):
        assert 0.0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1.0
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] == pytest.approx(left, abs=5.0)


def test_patience_counts_processor_time():
    """A client that gets a tenth of the processor is not given up before its time.

    A client that does nothing is given up by the clock.
    """
    patience = Watchdog(120.0, 1.0, used=7.0)
    assert not any(patience.check(7.0 + tick / 10) for tick in range(1, 1200))
    assert patience.check(127.0) == "it used 120 seconds of processor time"
    patience = Watchdog(3.0, 1.0, used=0.0)
    looks = [patience.check(used) for used in (0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 1.0)]
    assert looks[:5] == [None] * 5
    assert looks[5:] == ["it waited for 3 seconds without doing anything"] * 2
