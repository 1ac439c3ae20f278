"""Signals that are held back for a moment."""

import os
import signal
import threading

import pytest

from client_sim.fleet.held_signals import held_signals


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def number(request):
    """Give a signal that a handler notes, and that handler's notes."""
    came = []
    before = signal.signal(request.param, lambda each, _frame: came.append(each))
    yield request.param, came
    signal.signal(request.param, before)


def test_a_signal_comes_behind_the_block(number):
    """Not in it, and once for each time that it was sent."""
    sent, came = number
    with held_signals():
        os.kill(os.getpid(), sent)
        os.kill(os.getpid(), sent)
        assert came == []
    assert came == [sent, sent]
    os.kill(os.getpid(), sent)
    assert came == [sent, sent, sent]


def test_a_signal_comes_where_the_block_fails(number):
    """Its handler is the one from before, and the fault goes on."""
    sent, came = number

    def fail():
        with held_signals():
            os.kill(os.getpid(), sent)
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    assert came == [sent]


def test_a_thread_holds_nothing():
    """Handlers run on the main thread; only that may set them."""
    done = []

    def hold():
        with held_signals():
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGTERM)]
