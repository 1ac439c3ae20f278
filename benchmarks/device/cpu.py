"""CPU seconds of process trees and of the whole machine, as `/proc` tells them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
NANO = 1e-9
_TICK = os.sysconf("SC_CLK_TCK")
_BUSY = (1, 2, 3, 6, 7, 8)  # user, nice, system, irq, softirq, steal: proc_stat(5)


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all that it started and that still run."""
    yield pid
    for task in _tasks(pid):
        try:
            children = (task / "children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            yield from tree(int(child))


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU seconds that the threads of these processes have had so far.

    The scheduler's own account, in nanoseconds; a tick of `stat` is too coarse for short rounds.
    """
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
    return total * NANO


def machine_seconds() -> float:
    """Return the CPU seconds that all cores together were busy since the start, stolen ones too."""
    fields = (PROC / "stat").read_text().partition("\n")[0].split()
    return sum(int(fields[index]) for index in _BUSY) / _TICK


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the proportional share of memory (PSS) of these processes, in bytes."""
    total = 0
    for pid in pids:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())


def command_line(pid: int) -> str:
    """Return how a process was started."""
    return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def _tasks(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir())
    except FileNotFoundError:
        return []
