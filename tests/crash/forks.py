"""Forks a process for each job, which may die, and reports the changes that it made until then.

Most programs are forked from `tests/forked.py`, which has imported all modules. Each line of their
standard input is a JSON job. The answer on standard output has the process's exit status and the
lines that it reported.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys


@contextlib.contextmanager
def forking(python, module):
    """Run a module by `python`; yields a function that sends it a job and returns its answer.

    Without a job the function returns the next answer.
    """
    with subprocess.Popen(
        [*python, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask(job=None):
            if job is not None:
                print(json.dumps(job), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


def serve(act):
    """Call `act` in a new process for each job, with the job and a function that reports a line."""
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            sys.stdout = sys.stderr  # log lines must not mix with answers
            act(json.loads(line), reporter(writer))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as passed:
            say(ended(child, passed))


def reporter(writer):
    """Return a function that writes a line into a pipe."""
    return lambda text: os.write(writer, f"{text}\n".encode())


def ended(child, passed):
    """Return a process's exit status, and the lines that it reported."""
    points = passed.read().splitlines()
    _, status = os.waitpid(child, 0)
    return {"status": os.waitstatus_to_exitcode(status), "points": points}


def say(answer):
    """Write an answer to standard output."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def killing(at, report):
    """Return a function that reports a change, and kills the process if `at` matches the change."""

    def point(change):
        report(change)
        if re.fullmatch(at, change):
            os.kill(os.getpid(), signal.SIGKILL)

    return point
