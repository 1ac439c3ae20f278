"""A disk that loses power at a chosen step."""

import os
import threading
from pathlib import Path
from typing import BinaryIO

from client_sim.engine.journal import Disk


class PowerCut(BaseException):
    """The phone lost power; no `except Exception` may swallow that."""


class CountingDisk(Disk):
    """Counts the steps that change something."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.lock = threading.Lock()

    def step(self, name: str) -> None:
        """Note a step that is about to be made."""
        with self.lock:
            self.steps.append(name)

    def make_directory(self, path: Path) -> None:
        """Create a folder."""
        self.step("make_directory")
        super().make_directory(path)

    def create(self, path: Path, size: int = 0) -> BinaryIO:
        """Open a file for writing."""
        self.step("create")
        return super().create(path, size)

    def write_at(self, file: BinaryIO, position: int, data: bytes | memoryview) -> None:
        """Write bytes, also those of `write`."""
        self.step("write")
        super().write_at(file, position, data)

    def sync(self, file: BinaryIO) -> None:
        """Make bytes durable."""
        self.step("sync")
        super().sync(file)

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file."""
        self.step("replace")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        self.step("remove")
        super().remove(path)

    def sync_directory(self, path: Path) -> None:
        """Make names durable."""
        self.step("sync_directory")
        super().sync_directory(path)


class DyingDisk(CountingDisk):
    """Loses power just before step number `last`; a write that it hits is half done."""

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
