"""Programs of the server, run beside a test."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.patience import PATIENCE

PROGRAM = Path(sys.executable).with_name("hening-server")


@contextmanager
def started(*words, environment=None):
    """Run a server program until the block ends; gives the process and the first line it prints."""
    with subprocess.Popen(
        [PROGRAM, *map(str, words)],
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
