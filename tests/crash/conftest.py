"""A process that dies where it is told."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def crash():
    """Run an action in a process that dies where it is told; returns how it ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.zygote"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as zygote:

        def run(world, action, **where):
            job = {"state": str(world.folder.root), "action": action, "ahead": 0, **where}
            job["ahead"] = world.ahead / timedelta(hours=1)
            print(json.dumps(job), file=zygote.stdin, flush=True)
            return json.loads(zygote.stdout.readline())

        yield run
        zygote.stdin.close()
