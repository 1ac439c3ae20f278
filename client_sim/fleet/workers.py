"""The processes of a fleet, seen from the one that coordinates them."""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

from client_sim.fleet.errors import SurroundingsError
from client_sim.fleet.tally import Tally
from client_sim.fleet.worker import Finished, Job, Ready, work

Said = TypeVar("Said", Ready, Tally, Finished)


class Workers:
    """Started processes; every method raises SurroundingsError where one of them is gone."""

    def __init__(self, pipes: Sequence[Connection], processes: Sequence[BaseProcess]) -> None:
        self._pipes = pipes
        self._processes = processes

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process in self._processes if process.pid is not None]

    def ready(self) -> list[Ready]:
        """Wait until all have their phones."""
        return [self._take(index, Ready) for index in range(len(self._pipes))]

    def advance(self, tick: int) -> Tally:
        """Let all begin what is due before `tick`; returns the sums of all so far."""
        for index in range(len(self._pipes)):
            self._tell(index, tick)
        total = Tally()
        for index in range(len(self._pipes)):
            total.merge(self._take(index, Tally))
        return total

    def finish(self) -> list[Finished]:
        """Let all end what is under way, and themselves."""
        for index in range(len(self._pipes)):
            self._tell(index, None)
        return [self._take(index, Finished) for index in range(len(self._pipes))]

    def _tell(self, index: int, tick: int | None) -> None:
        try:
            self._pipes[index].send(tick)
        except OSError:
            raise self._gone(index) from None

    def _take(self, index: int, kind: type[Said]) -> Said:
        try:
            said = self._pipes[index].recv()
        except (EOFError, OSError):
            raise self._gone(index) from None
        assert isinstance(said, kind)
        return said

    def _gone(self, index: int) -> SurroundingsError:
        process = self._processes[index]
        process.join(1.0)
        return SurroundingsError(
            f"Worker {index + 1} of the fleet ended with status {process.exitcode}; what it said is"
            " above."
        )


@contextmanager
def started(jobs: Sequence[Job]) -> Iterator[Workers]:
    """Start a process for each job; they end with the block."""
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes: list[BaseProcess] = []
    try:
        for job in jobs:
            near, far = context.Pipe()
            process: BaseProcess = context.Process(target=work, args=(far, job), daemon=True)
            process.start()
            far.close()
            pipes.append(near)
            processes.append(process)
        yield Workers(pipes, processes)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(1.0)
            if process.is_alive():
                process.kill()
                process.join()
