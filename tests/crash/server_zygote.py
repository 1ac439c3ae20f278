"""Forks `hening-server run` for each job: the whole process, which dies at a given point.

Each line of standard input is a JSON job with the state and a durable change as `watch` reports it.
The first answer has process and ports as soon as the server listens. The second one tells how the
process ended and which changes it made. Modules are imported once, here.
"""

import json
import os
import re
import signal
import sys
from pathlib import Path

import server
from server.cli import cli
from tests.crash.watch import watch
from tests.programs import import_all

RUN = ["run", "--port", "0", "--api-port", "0"]


def main():
    """Serve servers until standard input ends."""
    import_all(server)
    for line in sys.stdin:
        job = json.loads(line)
        changes, writer = os.pipe()
        addresses, output = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(changes)
            os.dup2(output, 1)
            run(job, writer)
            os._exit(0)
        os.close(writer)
        os.close(output)
        with os.fdopen(addresses) as told:
            urls = [told.readline().strip() for _ in range(2)]
            say({"pid": child, "device": urls[0], "api": urls[1]})
            _, status = os.waitpid(child, 0)
        with os.fdopen(changes) as made:
            say({"status": os.waitstatus_to_exitcode(status), "points": made.read().splitlines()})


def say(answer):
    """Write a line for the test."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def run(job, writer):
    """Run the command; die before the change that `at` matches."""

    def point(change):
        os.write(writer, f"{change}\n".encode())
        if re.fullmatch(job["at"], change):
            os.kill(os.getpid(), signal.SIGKILL)

    with Path(job["log"]).open("ab") as log:
        os.dup2(log.fileno(), 2)
    watch(Path(job["state"]), point)
    cli.main([*RUN, "--state", job["state"]], standalone_mode=False)


if __name__ == "__main__":
    main()
