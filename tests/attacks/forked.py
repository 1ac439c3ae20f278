"""Runs the three programs as forked processes, so that modules are imported only once.

Each line of standard input is a JSON job: a program, its arguments, two output files, and the
seconds by which its clock is ahead. The answer on standard output is the process's id. With `wait`
the answer comes when the process has ended, and has its exit status. `{"end": PID}` ends a running
process; the end of standard input ends all.
"""

import json
import os
import signal
import sys
import time
from datetime import datetime, timedelta

import client_sim.cli
import client_sim.clock
import server.cli
import server.cli.options
import signer.cli
import tests.programs

PROGRAMS = {
    "server.cli": (server.cli.main, server.cli.options, "datetime"),
    "signer.cli": (signer.cli.main, signer.cli, "datetime"),
    "client_sim.cli": (client_sim.cli.main, client_sim.clock, "time"),
}


def main():
    """Serve jobs until standard input ends."""
    for program in tests.programs.PROGRAMS.values():
        list(tests.programs.walk(program))  # else each child would import its command
    running = set()
    for line in sys.stdin:
        job = json.loads(line)
        told = end(job["end"], running) if "end" in job else start(job, running)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    for child in set(running):
        end(child, running)


def start(job, running):
    """Fork a program. With `wait` wait for its end, else record its id in `running`."""
    child = os.fork()
    if child == 0:
        os._exit(run(job))
    if job["wait"]:
        return {"status": _wait(child)}
    running.add(child)
    return {"pid": child}


def end(child, running):
    """End a program as an operator would, with SIGTERM."""
    running.discard(child)
    os.kill(child, signal.SIGTERM)
    return {"status": _wait(child)}


def run(job):
    """Run a program in this process and return its exit status."""
    for name, descriptor in (("out", 1), ("err", 2)):
        opened = os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    program, place, clock = PROGRAMS[job["program"]]
    setattr(place, clock, _turned(job["ahead"]))
    sys.argv = [job["program"], *job["arguments"]]
    try:
        status = program()
    except SystemExit as exit_:
        status = exit_.code
    sys.stdout.flush()
    sys.stderr.flush()
    return status or 0


def _turned(ahead):
    """Return replacements for `datetime` and `time` where a program reads its clock."""

    class Turned:
        """A clock that is ahead."""

        @staticmethod
        def now(zone):
            return datetime.now(zone) + timedelta(seconds=ahead)

        @staticmethod
        def time():
            return time.time() + ahead

    return Turned


def _wait(child):
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
