"""Runs hening-server and kills it with SIGKILL before a durable change.

python -m tests.server.cloud.killed ROOT CHANGE WORD …

CHANGE is the number or the name of a change. Each change of a file below ROOT and each commit is
written as a line to standard error.
"""

import os
import signal
import sys

from server.cli import main
from tests.crash.watch import watch


def run(root, last):
    """Run the command line."""
    passed = 0

    def point(change):
        nonlocal passed
        passed += 1
        os.write(2, f"{change}\n".encode())
        if last in {change, str(passed)}:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(root, point)
    sys.exit(main())


if __name__ == "__main__":
    found, change, *sys.argv[1:] = sys.argv[1:]
    run(found, change)
