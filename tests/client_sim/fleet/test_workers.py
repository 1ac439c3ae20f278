"""Worker processes of a fleet."""

import os
import signal
import threading

import pytest

from client_sim.fleet.decisions import Behaviour
from client_sim.fleet.errors import EnvironmentFailedError
from client_sim.fleet.population import Habits
from client_sim.fleet.timer_wheel import TICKS
from client_sim.fleet.workers import Job, deferred_signals, started
from tests.client_sim.device.repository_simulator import START
from tests.client_sim.fleet.conftest import GROUP, LONGEST


def make_job(served, first, count):
    """Return the job of phones that have never polled."""
    habits = Habits(current=0.5, older=0.0, fresh=1.0, flaky=0.0, skewed=0.0)
    behaviour = Behaviour(served.target.host_header, float(START), float(LONGEST))
    return Job(served.target, (GROUP,), habits, behaviour, {}, 7, first, count)


def test_workers_poll_what_is_due_and_add_up(served):
    """All phones poll within the longest interval, and none before its time."""
    with started([make_job(served, 0, 30), make_job(served, 30, 10)]) as workers:
        ready = workers.ready()
        assert [sum(each.by_group) for each in ready] == [30, 10]
        assert 0 < sum(each.newest for each in ready) < 40
        half = workers.advance(LONGEST * TICKS // 8)
        assert 0 < half.polls < 40
        whole = workers.advance(LONGEST * TICKS)
        assert whole.polls >= 40
        finished = workers.finish()
    assert sum(each.tally.polls for each in finished) == whole.polls
    assert all(each.cpu > 0 for each in finished)
    asked = {line.data.split(b" ")[1] for each in finished for line in each.lines}
    assert b"/metadata/timestamp.json" in asked


def test_dead_worker(served):
    """The error has the worker's number and its status."""
    with started([make_job(served, 0, 3)]) as workers:
        workers.ready()
        workers._processes[0].kill()
        with pytest.raises(
            EnvironmentFailedError, match="Worker 1 of the fleet ended with status -9"
        ):
            workers.advance(10)


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def signal_with_record(request):
    """Install a handler that records a signal; return the signal and the record."""
    came = []
    before = signal.signal(request.param, lambda each, _frame: came.append(each))
    yield request.param, came
    signal.signal(request.param, before)


def test_deferred_signals_are_delivered_after_the_block(signal_with_record):
    """Each sent signal is delivered once, also if the block fails.

    Afterwards the previous handler is installed, and the exception goes on.
    """
    sent, came = signal_with_record

    def hold():
        with deferred_signals():
            os.kill(os.getpid(), sent)
            os.kill(os.getpid(), sent)
            assert came == []
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        hold()
    assert came == [sent, sent]
    os.kill(os.getpid(), sent)
    assert came == [sent, sent, sent]


def test_deferred_signals_in_a_thread():
    """Only the main thread may set handlers, so that another thread holds no signals."""
    done = []

    def hold():
        with deferred_signals():
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGTERM)]
