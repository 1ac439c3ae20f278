"""The real server with its workers, started as an operator does, and requests to it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from server.processes.child import IMPORTS
from tests.patience import PATIENCE, until
from tests.ports import free_port

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-c", "from server.cli import main; main()")
REPLACED = "every worker was replaced"
TIMESTAMP = "/metadata/timestamp.json"


class Service:
    """A running `hening-server run`."""

    def __init__(self, process, log, metrics_port):
        self.process = process
        self.log = log
        self.metrics_port = metrics_port
        self.port = int(process.stdout.readline().rpartition(":")[2] or 0)

    def events(self):
        """Return the log's entries so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def logged(self, event):
        """Return the log's entries of one event."""
        return [each for each in self.events() if each["event"] == event]

    def workers(self):
        """Return the ids of the worker processes, oldest first."""
        return sorted(pid for pid in children(self.process.pid) if is_worker(pid))

    def answers(self, status="200"):
        """Return the counted number of answers with a status."""
        return self.metric(f'hening_answers_total{{status="{status}"}}')

    def metric(self, name):
        """Return the value of a metric with these labels."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.rpartition(" ")[2])
        raise AssertionError("there is no such metric")

    def hang_up(self, done=REPLACED):
        """Send SIGHUP, and return when the log has the entry."""
        before = len(self.logged(done))
        self.process.send_signal(signal.SIGHUP)
        until(lambda: len(self.logged(done)) > before)

    def connect(self):
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def poll(self, path=TIMESTAMP):
        """Make a phone's request on a new connection."""
        with self.connect() as one:
            return ask(one, path, self.port)


@contextlib.contextmanager
def serving(world, folder, *options, programs=None, environment=(), prefix=(), **process):
    """Run the server during the block; then it drains, and must exit with 0.

    With `programs` it is forked from a process that has imported all modules; otherwise `process`
    has options of `Popen`.
    """
    metrics_port = free_port()
    log = folder / "log"
    words = ["run", "--state", str(world.folder.root), "--metrics-port", str(metrics_port)]
    if "--port" not in options:
        words += ["--port", "0"]
    words += options
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("wb"))
        if programs is not None:
            started = programs.start(
                "hening-server", *words, output=errors, environment=environment
            )
        else:
            started = subprocess.Popen(
                [*prefix, *COMMAND, *words],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **dict(environment)},
                **process,
            )
        process = stack.enter_context(started)
        try:
            service = Service(process, log, metrics_port)
            yield service
            process.terminate()
            assert process.wait(PATIENCE) in {0, -signal.SIGKILL}, log.read_text()
        except BaseException:
            sys.stderr.write(log.read_text())
            raise
        finally:
            process.kill()


def ask(one, path=TIMESTAMP, port=8080):
    """Make a phone's request on a connection and read the answer."""
    send_request(one, path, port)
    return read_answer(one)


def send_request(one, path=TIMESTAMP, port=8080):
    """Send a phone's request over a connection."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: gzip\r\n\r\n"
    one.sendall(head.encode())


def read_answer(one, data=b""):
    """Read an answer that begins with `data`; return status, body and `Connection`."""
    while b"\r\n\r\n" not in data:
        piece = one.recv(65536)
        if not piece:
            raise ConnectionError("closed before an answer")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    pieces, missing = [body], length - len(body)
    while missing:
        pieces.append(one.recv(min(missing, 1 << 20)))
        if not pieces[-1]:
            raise ConnectionError("closed within an answer")
        missing -= len(pieces[-1])
    return int(head.split()[1]), b"".join(pieces), fields.get(b"connection", b"").decode()


def children(pid):
    """Return the running child processes of all threads of a process."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            found += map(int, (thread / "children").read_text().split())
    return found


def is_worker(pid):
    """Return whether a process is a running worker."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return stat[0] != "Z" and b"server.processes.worker" in command
    return False


async def start_worker(parent, descriptors=()):
    """Start a worker; return its process and our end of the channel."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", f"{IMPORTS}; main()"),
            *(str(theirs.fileno()), str(parent)),
            pass_fds=(theirs.fileno(), *descriptors),
        )
    return process, ours


async def ask_in_loop(port):
    """Make a request on a new connection in an event loop; return the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])
