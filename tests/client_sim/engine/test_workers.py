import threading

import pytest

from client_sim.engine.workers import MEMORY_BYTES, Workers


def test_jobs_run_side_by_side_and_leaving_waits_for_them():
    """Two jobs that need each other both come to their end."""
    meeting, ended = threading.Barrier(2), []

    def job():
        meeting.wait()
        ended.append(threading.get_ident())

    with Workers(2) as workers:
        for _ in range(2):
            workers.start(job, 1)
    assert len(set(ended)) == 2


def test_what_they_hold_together_is_bounded():
    """A job that would hold too much beside another waits for it; a larger one runs alone."""
    held, most, lock = 0, 0, threading.Lock()

    def make(memory):
        def job():
            nonlocal held, most
            with lock:
                held += memory
                most = max(most, held)
            with lock:
                held -= memory

        return job

    with Workers(4) as workers:
        for memory in [MEMORY_BYTES // 2 + 1] * 20 + [MEMORY_BYTES // 3] * 20:
            workers.start(make(memory), memory)
        assert workers.start(make(0), 10 * MEMORY_BYTES).result() is None
    assert most <= MEMORY_BYTES


def test_a_failure_is_told_and_gives_its_room_back():
    """The error comes out of the future, and the next job has room."""

    def fail():
        raise OSError("no room")

    with Workers(1) as workers:
        failing = workers.start(fail, MEMORY_BYTES)
        with pytest.raises(OSError, match="no room"):
            failing.result()
        assert workers.start(lambda: None, MEMORY_BYTES).result() is None


def test_how_many_are_begun_is_bounded():
    """Each takes memory itself, also one that holds no data."""
    full = threading.Event()
    with Workers(1) as workers:
        wait_for, begun = workers._changed.wait_for, 1

        def waiting(has_room):
            if not has_room():
                full.set()
            return wait_for(has_room)

        workers._changed.wait_for = waiting
        workers.start(full.wait, 0)
        while not full.is_set() and begun < 10_000:
            workers.start(lambda: None, 0)
            begun += 1
        full.set()
    assert begun <= MEMORY_BYTES // 4096 + 1
