"""Forks `hening-server run` for each job: the whole process, which dies at a given point.

The first answer has process and ports as soon as the server listens, the second one its end.
"""

import json
import os
import sys
from pathlib import Path

from server.cli import cli
from tests.crash.forks import ended, killing, reporter, say
from tests.crash.watch import watch

RUN = ["run", "--port", "0", "--api-port", "0"]


def main():
    """Serve servers until standard input ends."""
    for line in sys.stdin:
        changes, writer = os.pipe()
        addresses, output = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(changes)
            os.dup2(output, 1)
            run(json.loads(line), reporter(writer))
            os._exit(0)
        os.close(writer)
        os.close(output)
        with os.fdopen(addresses) as told, os.fdopen(changes) as made:
            urls = [told.readline().strip() for _ in range(2)]
            say({"pid": child, "device": urls[0], "api": urls[1]})
            say(ended(child, made))


def run(job, report):
    """Run the command; die before the change that `at` matches."""
    with Path(job["log"]).open("ab") as log:
        os.dup2(log.fileno(), 2)
    watch(Path(job["state"]), killing(job["at"], report))
    cli.main([*RUN, "--state", job["state"]], standalone_mode=False)


if __name__ == "__main__":
    main()
