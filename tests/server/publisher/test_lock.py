"""One active publisher, across processes, and a dead one holds nobody up."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.publisher.lock import publisher_lock
from server.storage.errors import StorageError

HOLD = """
import asyncio, sys
from pathlib import Path
from server.publisher.lock import publisher_lock

async def hold():
    async with publisher_lock(Path(sys.argv[1])):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


async def take(path, inside=None):
    """Take the lock, run something inside, give it back."""
    async with publisher_lock(path, wait=0.2):
        if inside is not None:
            await inside()


def test_two_processes(tmp_path):
    """The second waits, then says so; when the first is killed the lock is free."""
    path = tmp_path / "publisher.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match="another process is publishing"):
            asyncio.run(take(path))
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        asyncio.run(take(path))


async def test_two_tasks(tmp_path):
    """Within one process it excludes too, and is given back after an error."""
    path = tmp_path / "publisher.lock"
    with pytest.raises(StorageError):
        await take(path, lambda: take(path))
    await take(path)
