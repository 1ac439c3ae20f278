"""Downloads as fast as the server sends them; the bytes are counted and dropped in the kernel.

Run as `python -m benchmarks.device.load.pull SPEC`. Copying what arrives would make this client the
limit: `MSG_TRUNC` spares it (tcp(7)).
"""

import itertools
import select
import socket
import time
from collections.abc import Iterator

from benchmarks.device.load.spec import PullSpec, main
from benchmarks.device.measured import Measured, Window
from benchmarks.device.wire import (
    HOST,
    body_length,
    head_length,
    phone_request,
    range_request,
)

TAKEN = 1 << 20
FIRST = 4096


class Pull:
    """One connection that fetches piece after piece."""

    def __init__(self, spec: PullSpec, firsts: Iterator[int]) -> None:
        self._spec = spec
        self._firsts = firsts
        self.stream = socket.create_connection((HOST, spec.port))
        self._buffer = bytearray(TAKEN)
        self._left = 0
        self._head = b""
        self._ask()
        self.stream.setblocking(False)

    def take(self) -> int:
        """Take what is there, once; returns the bytes of the package."""
        if self._left:
            count = self.stream.recv_into(self._buffer, min(TAKEN, self._left), socket.MSG_TRUNC)
            got = count
        else:
            some = self.stream.recv(FIRST)
            count = len(some)
            self._head += some
            head = head_length(self._head)
            if head:
                if self._head[9:12] not in {b"200", b"206"}:
                    raise ConnectionError(self._head[:64].decode("latin-1"))
                self._left = body_length(self._head[:head])
                got = len(self._head) - head
                self._head = b""
            else:
                got = 0
        if not count:
            raise ConnectionError("the server closed during a download")
        if got:
            self._left -= got
            if not self._left:
                self._ask()
        return got

    def _ask(self) -> None:
        spec, first = self._spec, next(self._firsts)
        if spec.piece:
            self.stream.send(range_request(spec.port, spec.path, first, spec.piece))
        else:
            self.stream.send(phone_request(spec.port, spec.path))


def run(spec: PullSpec) -> Measured:
    """Pull for `spec.seconds`, after a warm-up that is not counted."""
    pieces = range(0, spec.length - spec.piece + 1, spec.piece or spec.length)
    firsts = itertools.cycle(pieces)
    pulls = {}
    poll = select.epoll()
    for _ in range(spec.connections):
        pull = Pull(spec, firsts)
        pulls[pull.stream.fileno()] = pull
        poll.register(pull.stream.fileno(), select.EPOLLIN)
    _pull(poll, pulls, spec.warm_up)
    window = Window(spec.watch, spec.known)
    return window.close(_pull(poll, pulls, spec.seconds))


def _pull(poll: select.epoll, pulls: dict[int, Pull], seconds: float) -> int:
    done = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for number, _ in poll.poll(0):
            done += pulls[number].take()
    return done


if __name__ == "__main__":
    main(PullSpec, run)
