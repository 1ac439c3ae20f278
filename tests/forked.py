"""Runs the three programs as forked processes, so that modules are imported only once.

Jobs come in two ways.

Each line of standard input is a JSON job: a program, its arguments, two output files, and the
number of seconds by which its clock is ahead. The answer on standard output is the process's id.
With `wait` the answer comes when the process has ended, and has its exit status. `{"end": PID}`
ends a running process; the end of standard input ends all.

The listening socket whose descriptor is the first argument accepts jobs from
`tests/forked_command.py`, which shells and other programs start in place of the real programs. The
second argument is the program that stands for Python in this way, the third is the folder of
`tests/kept_packages.py`.
"""

import contextlib
import fcntl
import functools
import json
import multiprocessing
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import time
import types
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import client_sim.cli
import client_sim.clock
import fixtures.build
import server.cli
import server.cli.options
import signer.cli
import signer.keys.key_file
import tests.programs
from tests.kept_packages import keeping

PROGRAMS = {
    "server.cli": (server.cli.main, server.cli.options, "datetime"),
    "signer.cli": (signer.cli.main, signer.cli, "datetime"),
    "client_sim.cli": (client_sim.cli.main, client_sim.clock, "time"),
}
COMMANDS = {
    "hening-server": server.cli.main,
    "hening-signer": signer.cli.main,
    "hening-device": client_sim.cli.main,
}
BIGGEST = 1 << 20  # bytes of a command with its environment
MOST = 64  # descriptors of a command
ABOVE = 512  # above every number that a command's descriptor has


@dataclass(frozen=True)
class Command:
    """A running command, and the connection of the process that waits for its end."""

    pid: int
    ended: int
    caller: socket.socket

    def fileno(self):
        """Return a descriptor that becomes readable when the command has ended."""
        return self.ended

    def finish(self):
        """Send the exit status to the caller."""
        with contextlib.suppress(OSError):  # the caller may have stopped waiting
            self.caller.send(b"%d" % _wait(self.pid))
        os.close(self.ended)
        self.caller.close()


def main():
    """Serve jobs until standard input ends."""
    tests.programs.import_all(client_sim, server, signer)  # otherwise each child would do so
    signer.keys.key_file.SCRYPT_N = 2**4  # as in tests/conftest.py
    door = socket.socket(fileno=int(sys.argv[1]))
    multiprocessing.set_executable(sys.executable)  # its processes inherit descriptors
    for name in ("hening-signer", "hening-device"):  # workers of a server inherit some as well
        COMMANDS[name] = functools.partial(run_beside, sys.argv[2], COMMANDS[name])
    COMMANDS["python"] = functools.partial(run_python, *sys.argv[2:])
    running: set[int] = set()
    commands: list[Command] = []
    while True:
        callers = {command.caller: command for command in commands}
        ready, _, _ = select.select([0, door, *commands, *callers], [], [])
        for command in [each for each in commands if each in ready]:
            command.finish()
            commands.remove(command)
        for caller, command in callers.items():
            if caller in ready and command in commands:  # the caller was killed
                os.kill(command.pid, signal.SIGKILL)
                command.finish()
                commands.remove(command)
        if door in ready:
            commands.append(take(door))
        if 0 in ready:
            if not (line := _read_line()):
                break
            job = json.loads(line)
            told = end(job["end"], running) if "end" in job else start(job, running)
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
    for child in [*running, *(command.pid for command in commands)]:
        end(child, running)


def take(door):
    """Accept a command and fork it."""
    caller, _ = door.accept()
    data, descriptors, _, _ = socket.recv_fds(caller, BIGGEST, MOST)
    child = os.fork()
    if child == 0:
        kept = [fcntl.fcntl(each, fcntl.F_DUPFD, ABOVE) for each in descriptors]
        os.closerange(3, ABOVE)
        os._exit(run_command(kept, *data.split(b"\0")))
    for descriptor in descriptors:
        os.close(descriptor)
    caller.send(b"%d" % child)
    return Command(child, os.pidfd_open(child), caller)


def run_command(descriptors, program, folder, umask, numbers, count, *words):
    """Run a program in this process, in the caller's environment; returns its exit status.

    It has the caller's `descriptors` under the same `numbers`.
    """
    for descriptor, number in zip(descriptors, map(int, numbers.split()), strict=True):
        os.dup2(descriptor, number)
    os.closerange(ABOVE, ABOVE + MOST)
    os.chdir(folder)
    os.umask(int(umask))
    os.environ.clear()
    for word in words[int(count) :]:
        name, _, value = word.partition(b"=")
        os.environb[name] = value
    tempfile.tempdir = None  # it depends on the environment
    arguments = map(os.fsdecode, words[: int(count)])
    return _call(COMMANDS[program.decode()], program.decode(), arguments)


def run_beside(python, main):
    """Run `main` as a program beside `python`; programs that it starts are forked, too."""
    sys.executable = python
    return main()


def run_python(python, packages):
    """Run what the arguments name, as `python` does with -c or -m.

    Programs that it starts are forked, too. Packages of the fixtures are cached in `packages`.
    """
    kind, what = sys.argv[1:3]
    del sys.argv[1:3]
    sys.executable = python
    if what == "fixtures.build":
        fixtures.build.build_zip = keeping(Path(packages))
        return fixtures.build.main()
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, vars(sys.modules["__main__"]))
    return 0


def start(job, running):
    """Fork a program. With `wait` wait for its end; otherwise record its id in `running`."""
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
    setattr(place, clock, _shifted(job["ahead"]))
    return _call(program, job["program"], job["arguments"])


def _call(program, name, arguments):
    sys.argv = [name, *arguments]
    sys.modules["__main__"] = types.ModuleType("__main__")  # its spawned processes import this
    try:
        status = program()
    except SystemExit as exit_:
        status = exit_.code
    except BaseException:  # noqa: BLE001 - as at the end of a process
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status or 0


def _shifted(ahead):
    """Return replacements for `datetime` and `time` in a program that reads its clock."""

    class Shifted:
        """A clock that is `ahead` seconds ahead."""

        @staticmethod
        def now(zone):
            return datetime.now(zone) + timedelta(seconds=ahead)

        @staticmethod
        def time():
            return time.time() + ahead

    return Shifted


def _read_line():
    """Read one line of standard input; the writer waits for the answer, so no line follows it."""
    line = b""
    while not line.endswith(b"\n") and (more := os.read(0, BIGGEST)):
        line += more
    return line


def _wait(child):
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
