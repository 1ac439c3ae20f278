"""The lock of a phone's folder."""

import subprocess
import sys
import threading

import pytest

from client_sim.device.errors import StorageError
from client_sim.device.lock import hold_folder


def test_one_at_a_time(tmp_path):
    """A second holder is refused until the first has done; no file is left behind."""
    with hold_folder(tmp_path, waits=False) as is_first, hold_folder(tmp_path, waits=False) as two:
        assert (is_first, two) == (True, False)
    with pytest.raises(ZeroDivisionError), hold_folder(tmp_path, waits=False):
        raise ZeroDivisionError
    with hold_folder(tmp_path, waits=True) as is_held:
        assert is_held
    assert not list(tmp_path.iterdir())


def test_whoever_waits_goes_on_behind_the_first(tmp_path):
    """And not before."""
    order = []

    def wait():
        with hold_folder(tmp_path, waits=True):
            order.append("second")

    waiting = threading.Thread(target=wait)
    with hold_folder(tmp_path, waits=True):
        waiting.start()
        waiting.join(0.1)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_it_is_free_when_its_process_was_killed(tmp_path):
    """A program of its own that has it, and is killed while it does."""
    code = (
        "import sys, pathlib; from client_sim.device.lock import hold_folder\n"
        "with hold_folder(pathlib.Path(sys.argv[1]), waits=True): print(flush=True); input()"
    )
    line = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with hold_folder(tmp_path, waits=False) as is_held:
            assert not is_held
        holder.kill()
    with hold_folder(tmp_path, waits=False) as is_held:
        assert is_held


def test_a_folder_that_is_not_there_is_told(tmp_path):
    """As whatever the disk refuses."""
    with pytest.raises(StorageError, match="disk failed"), hold_folder(tmp_path / "x", waits=True):
        pass
