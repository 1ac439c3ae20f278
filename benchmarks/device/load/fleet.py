"""Many phones in one process: a timer wheel, a new connection for each poll.

Run as `python -m benchmarks.device.load.fleet SPEC`. Each phone has its place on the wheel and
polls once in a turn. A latency begins with the tick at which the poll was due and ends with the
last byte, so that what this client is late counts, too. A poll that is never answered counts with
the time that it has waited.
"""

import array
import random
import select
import socket
import time
from itertools import count

from benchmarks.device.load.fresh import dial
from benchmarks.device.load.spec import FleetSpec, main
from benchmarks.device.measured import Measured, Window, percentiles
from benchmarks.device.wire import HOST, body_length, head_length

GRACE_SECONDS = 5.0
SEED = 5
ROOM = 65_536


class Fleet:
    """The polls that are under way."""

    def __init__(self, spec: FleetSpec) -> None:
        self._address = (HOST, spec.port)
        self._questions = [text.encode() for text in spec.requests]
        self._statuses = {b"%d" % status for status in spec.statuses}
        self._poll = select.epoll()
        self._numbers = count()
        self._open: dict[int, tuple[socket.socket, float, int]] = {}
        self._partial: dict[int, bytes] = {}
        self.latencies = array.array("d")
        self.failed = 0

    def give_up(self) -> None:
        """Count the polls that are still under way as failed."""
        now = time.perf_counter()
        for _, due, _ in self._open.values():
            self.latencies.append(now - due)
            self.failed += 1

    @property
    def under_way(self) -> int:
        """How many polls wait for an answer."""
        return len(self._open)

    def begin(self, due: float) -> None:
        """Begin a poll that was due at `due`."""
        try:
            stream = dial(self._address, next(self._numbers))
        except OSError:  # so many wait for an answer that there are no more descriptors
            self.failed += 1
            return
        number = stream.fileno()
        self._open[number] = (stream, due, 0)
        try:
            stream.send(self._questions[0])
            self._poll.register(number, select.EPOLLIN)
        except BlockingIOError:
            self._poll.register(number, select.EPOLLOUT)

    def look(self, seconds: float) -> None:
        """Take what has come, for at most so long."""
        for number, event in self._poll.poll(seconds):
            stream, due, turn = self._open[number]
            if event & select.EPOLLOUT and not event & select.EPOLLERR:
                stream.send(self._questions[0])
                self._poll.modify(number, select.EPOLLIN)
                continue
            try:
                some = stream.recv(ROOM)
            except OSError:
                some = b""
            if not some:
                self._end(number, failed=True)
                continue
            data = self._partial.pop(number, b"") + some
            head = head_length(data)
            if not head or len(data) < head + body_length(data[:head]):
                self._partial[number] = data
            elif data[9:12] not in self._statuses:
                self._end(number, failed=True)
            elif turn + 1 < len(self._questions):
                stream.send(self._questions[turn + 1])
                self._open[number] = (stream, due, turn + 1)
            else:
                self.latencies.append(time.perf_counter() - due)
                self._end(number, failed=False)

    def _end(self, number: int, *, failed: bool) -> None:
        stream, _, _ = self._open.pop(number)
        self._partial.pop(number, None)
        self.failed += failed
        stream.close()


def run(spec: FleetSpec) -> Measured:
    """Turn the wheel for `spec.seconds`."""
    slots = round(spec.interval / spec.tick)
    wheel = array.array("I", bytes(4 * slots))
    places = random.Random(SEED)  # noqa: S311 - where phones stand on a wheel is no secret
    for _ in range(spec.phones):
        wheel[places.randrange(slots)] += 1
    fleet = Fleet(spec)
    window = Window(spec.watch, spec.known)
    begin = time.perf_counter()
    most = 0
    for tick in range(round(spec.seconds / spec.tick)):
        due = begin + tick * spec.tick
        while (rest := due - time.perf_counter()) > 0:
            fleet.look(rest)
        for number in range(wheel[tick % slots]):
            fleet.begin(due)
            if number % 8 == 7:
                fleet.look(0)
        most = max(most, fleet.under_way)
    deadline = time.perf_counter() + GRACE_SECONDS
    while fleet.under_way and time.perf_counter() < deadline:
        fleet.look(0.01)
    done = len(fleet.latencies)
    fleet.give_up()
    latencies = percentiles(list(fleet.latencies))
    extra = {"under way at most": float(most), "client's CPU": time.process_time()}
    return window.close(done, fleet.failed, latencies=latencies, extra=extra)


if __name__ == "__main__":
    main(FleetSpec, run)
