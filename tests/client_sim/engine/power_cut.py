"""A disk that loses power at a chosen step."""

import os
import threading
from typing import BinaryIO

from client_sim.engine.journal import Disk


class PowerCut(BaseException):
    """The phone lost power; no `except Exception` may swallow that."""


def _counted(name):
    def method(self, *arguments):
        self.step(name.removesuffix("_at"))
        return getattr(Disk, name)(self, *arguments)

    return method


class CountingDisk(Disk):
    """A disk that records the steps that change it; `write` uses `write_at`."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.lock = threading.Lock()

    make_directory, create, write_at, sync = map(
        _counted, ("make_directory", "create", "write_at", "sync")
    )
    replace, remove, sync_directory = map(_counted, ("replace", "remove", "sync_directory"))

    def step(self, name: str) -> None:
        """Note a step that is about to be made."""
        with self.lock:
            self.steps.append(name)


class DyingDisk(CountingDisk):
    """A disk that loses power just before step number `last`, or in the middle of a write."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def step(self, name: str) -> None:
        """Note a step that is about to be made."""
        super().step(name)
        if len(self.steps) > self.last:
            raise PowerCut

    def write_at(self, file: BinaryIO, position: int, data: bytes | memoryview) -> None:
        """Write bytes."""
        if len(self.steps) == self.last:
            os.pwrite(file.fileno(), data[: len(data) // 2], position)
        super().write_at(file, position, data)
