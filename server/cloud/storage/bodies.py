"""Bodies that are too large for a row, in a folder or in S3.

A body has a name of segments, such as `chunks/COLLECTION/UID`, and is written once. It is there
after a crash if `put` returned, and never in parts.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from server.core.errors import FormatError
from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, move_durable

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}(?:/[A-Za-z0-9_-]{1,128}){1,3}")


class Bodies(Protocol):
    """A store of bodies by name. Every method may raise OSError or StorageError."""

    async def put(self, name: str, body: bytes) -> None:
        """Keep a body; one of the same name is replaced."""

    async def get(self, name: str) -> bytes | None:
        """Return a body, None where there is none."""

    async def remove(self, name: str) -> None:
        """Remove a body; one that is not there is no error."""


class LocalBodies:
    """Bodies as files below `folder`."""

    def __init__(self, folder: Path, entropy: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._entropy = entropy

    async def put(self, name: str, body: bytes) -> None:
        """Write, flush and rename a file."""
        await asyncio.to_thread(self._put, self._path(name), body)

    async def get(self, name: str) -> bytes | None:
        """Read a file."""
        try:
            return await asyncio.to_thread(self._path(name).read_bytes)
        except FileNotFoundError:
            return None

    async def remove(self, name: str) -> None:
        """Remove a file."""
        await asyncio.to_thread(self._path(name).unlink, missing_ok=True)

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise FormatError(f"{name[:80]!r} is no name of a body.")
        return self._folder / name

    def _put(self, path: Path, body: bytes) -> None:
        make_folder(path.parent)
        temporary = path.with_name(f"{TEMPORARY}{self._entropy(8).hex()}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            move_durable(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
