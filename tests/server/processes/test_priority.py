"""Priorities of a real server's threads, as the kernel reports them."""

import os
import signal
import sys
from pathlib import Path

from server.processes.priority import NICE
from tests.patience import until
from tests.server.processes.service import ask, serving
from tests.server.world import PACKAGE_2

#: Becomes the server as the leader of a process group, as in a shell.
LEAD = "import os, sys; os.setpgid(0, 0); os.execv(sys.argv[1], sys.argv[1:])"


def nice(pid):
    """Return the nice values of a process's threads, by their ids."""
    threads = [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]
    return {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}


def has_begun_others(thread):
    """Tell whether a thread is the parent of a process."""
    return bool(Path(f"/proc/{thread}/task/{thread}/children").read_text().split())


def test_workers_come_before_the_main_process(world, tmp_path):
    """All threads of the main process are lowered, except the one that starts workers; no worker's.

    This holds after a publication and for workers started later, too.
    """
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with serving(world, tmp_path, "--workers", "2") as service:
        bundle = world.submit(world.second_release(), [PACKAGE_2])
        until((world.folder.results / f"{bundle}.json").exists)
        service.hang_up()
        os.kill(service.workers()[0], signal.SIGKILL)
        until(lambda: service.logged("a worker ended and is started again"))
        until(lambda: len(service.workers()) == 2)
        main = nice(service.process.pid)
        (parent,) = (thread for thread in main if has_begun_others(thread))
        assert main.pop(parent) == usual
        assert len(main) > 2
        assert set(main.values()) == {usual + NICE}
        for worker in service.workers():
            assert set(nice(worker).values()) == {usual}


def test_one_process_keeps_its_priority(world, tmp_path):
    """Without workers the main process serves phones itself."""
    with serving(world, tmp_path) as service:
        assert service.poll()[0] == 200
        assert set(nice(service.process.pid).values()) == {os.getpriority(os.PRIO_PROCESS, 0)}


def test_an_interrupt_from_the_keyboard(world, tmp_path):
    """It ends the main process, which lets workers drain; workers do not receive the signal.

    They stay in its session: the kernel may share cores among sessions first.
    """
    way = {"prefix": (sys.executable, "-c", LEAD)}
    with serving(world, tmp_path, "--workers", "2", **way) as service, service.connect() as one:
        assert {os.getsid(pid) for pid in service.workers()} == {os.getsid(0)}
        assert ask(one)[2] == ""
        os.killpg(service.process.pid, signal.SIGINT)
        until(lambda: ask(one)[2] == "close")
        assert service.process.wait() == 0
        reasons = {each["reason"] for each in service.logged("a worker ended")}
        assert reasons == {"it was asked to stop"}
