"""Very many connections at once: idle ones, or such that send a byte now and then.

Run as `python -m benchmarks.device.load.crowd SPEC`. It says `ready` when all are there, and what
it saw once its input is closed. A connection that the server ends is made anew.
"""

import contextlib
import select
import socket
import sys
import time

from benchmarks.device.load.fresh import dial
from benchmarks.device.load.spec import CrowdSpec, main
from benchmarks.device.measured import Measured, Window
from benchmarks.device.wire import HOST, read_answer

TURNS = 100  # how often in a drip's time some of the connections send
BATCH = 256  # connections that are opened between two pauses, fewer than a backlog
PAUSE_SECONDS = 0.02
WAIT_SECONDS = 10.0


class Crowd:
    """The connections, and how far each is with its request."""

    def __init__(self, spec: CrowdSpec) -> None:
        self._address = (HOST, spec.port)
        self._data = spec.request.encode()
        self.renewed = 0
        self._streams: list[socket.socket] = []
        self._sent: list[int] = []
        for number in range(spec.connections):
            self._streams.append(dial(self._address, number))
            self._sent.append(0)
            if number % BATCH == BATCH - 1:
                time.sleep(PAUSE_SECONDS)

    def ask_once(self) -> None:
        """Let each connection poll once, so that it is one that the server knows."""
        for stream in self._streams:
            stream.settimeout(WAIT_SECONDS)
            stream.sendall(self._data)
            read_answer(stream)

    def drip(self, begin: int, step: int) -> None:
        """Send one more byte on every `step`th connection; a request never becomes whole."""
        for number in range(begin, len(self._streams), step):
            place = self._sent[number] % (len(self._data) - 1)
            try:
                self._streams[number].send(self._data[place : place + 1])
                self._sent[number] += 1
            except BlockingIOError:
                continue
            except OSError:
                with contextlib.suppress(OSError):
                    self._streams[number].close()
                self._streams[number] = dial(self._address, number)
                self._sent[number] = 0
                self.renewed += 1


def run(spec: CrowdSpec) -> Measured:
    """Be there until the input is closed."""
    crowd = Crowd(spec)
    if not spec.drip:
        crowd.ask_once()
    window = Window(spec.watch, spec.known)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    pause = spec.drip / TURNS if spec.drip else None
    due, turn = time.perf_counter(), 0
    while not select.select([sys.stdin], [], [], _rest(due) if pause else None)[0]:
        if pause:
            crowd.drip(turn % TURNS, TURNS)
            due, turn = due + pause, turn + 1
    return window.close(spec.connections, extra={"renewed": float(crowd.renewed)})


def _rest(due: float) -> float:
    return max(0.0, due - time.perf_counter())


if __name__ == "__main__":
    main(CrowdSpec, run)
