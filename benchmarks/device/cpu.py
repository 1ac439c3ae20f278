"""CPU seconds, memory and descriptors of processes, and CPU seconds of the machine, by `/proc`."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
NANO = 1e-9
_TICK = os.sysconf("SC_CLK_TCK")
_BUSY = (1, 2, 3, 6, 7, 8)  # user, nice, system, irq, softirq, steal: proc_stat(5)


def tree(pid: int) -> Iterator[int]:
    """Yield the ids of a process and of its descendants that still run."""
    yield pid
    for task in _tasks(pid):
        try:
            children = (task / "children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            yield from tree(int(child))


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU seconds that the threads of these processes have used so far.

    They are the scheduler's, in nanoseconds: the ticks of `stat` are too coarse for short rounds.
    """
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue  # the thread has ended
    return total * NANO


def machine_seconds() -> float:
    """Return the busy seconds of all cores since boot, including stolen time."""
    fields = (PROC / "stat").read_text().partition("\n")[0].split()
    return sum(int(fields[index]) for index in _BUSY) / _TICK


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the proportional set size (PSS) of these processes, in bytes."""
    total = 0
    for pid in pids:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def descriptors(pid: int) -> int:
    """Return the number of open file descriptors of a process."""
    return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())


def command_line(pid: int) -> str:
    """Return the command line of a process."""
    return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def _tasks(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir())
    except FileNotFoundError:
        return []
