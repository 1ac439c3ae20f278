"""The processes that load the server's core, which the benchmark's run in `tests/flows` omits."""

import os

from benchmarks.capacity.wake import SERVER_CORE, spinning
from tests.patience import until


def test_processes_spin_until_the_block_ends():
    """The processes are bound to the server's core."""
    with spinning(1) as (process,):
        until(lambda: os.sched_getaffinity(process.pid) == {SERVER_CORE})
        assert process.poll() is None
    assert process.returncode == -9
