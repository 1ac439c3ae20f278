"""Forks a process for each step of an erasure: it erases a copy of a cloud, and dies there."""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from server.cloud.law.erasure import STEPS
from tests.server.cloud.law.conftest import go_round, open_law


def main(folder, now):
    """Print, for each step, the copy and how the process ended."""
    ended = []
    for step in STEPS[1:]:
        copy = folder.parent / f"{folder.name}-{step}"
        shutil.copytree(folder, copy)
        child = os.fork()
        if child == 0:
            asyncio.run(erase(copy, now, step))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        ended.append({"step": step, "folder": str(copy), "status": code})
    sys.stdout.write(json.dumps(ended))


async def erase(folder, now, step):
    """Run a round; die after `step`."""

    def after_step(name):
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    place = folder / "cloud.sqlite"
    async with open_law(place, folder, lambda: now, after_step) as law:
        await go_round(law)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
