"""Run programs of the server beside a test."""

import subprocess
from contextlib import contextmanager

from tests.patience import PATIENCE


@contextmanager
def started(*words, environment=None):
    """Run a program until the block ends; yields the process and the first line that it prints."""
    with subprocess.Popen(
        [*map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)
