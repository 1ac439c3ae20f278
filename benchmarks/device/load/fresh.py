"""A closed loop with a new connection for each poll, closed by the client as a phone does.

Run as `python -m benchmarks.device.load.fresh SPEC`. It spins, like `kept`.
"""

import contextlib
import itertools
import socket
import time
from collections.abc import Iterator, Sequence

from benchmarks.device.load.kept import BUFFER
from benchmarks.device.load.spec import FreshSpec, main, source
from benchmarks.device.measured import Measured, Window
from benchmarks.device.wire import HOST, body_length, head_length

_NO_PORT_YET = 24  # IP_BIND_ADDRESS_NO_PORT: the port is taken at connect, with the whole 4-tuple
_KIND = socket.SOCK_STREAM | socket.SOCK_NONBLOCK


def run(spec: FreshSpec) -> Measured:
    """Poll for `spec.seconds`, after a warm-up that is not counted."""
    polls = [_poll(spec, number) for number in range(spec.connections)]
    _turn(polls, spec.warm_up)
    window = Window(spec.watch, spec.known)
    done = _turn(polls, spec.seconds)
    return window.close(done)


def dial(address: tuple[str, int], number: int) -> socket.socket:
    """Begin a connection that does not block, from one of many addresses."""
    stream = socket.socket(socket.AF_INET, _KIND)
    stream.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
    stream.bind(source(number))
    with contextlib.suppress(BlockingIOError):
        stream.connect(address)
    return stream


def _turn(polls: Sequence[Iterator[int]], seconds: float) -> int:
    done = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for poll in polls:
            # A poll yields 0 when it has asked something, and 1 when it is over.
            while not next(poll):
                pass
            done += 1
    return done


def _poll(spec: FreshSpec, first: int) -> Iterator[int]:
    """Poll for ever: each turn begins the next poll's connection at once."""
    address, questions = (HOST, spec.port), [text.encode() for text in spec.requests]
    buffer = bytearray(BUFFER)
    for number in itertools.count(first):
        stream = dial(address, number)
        for turn, data in enumerate(questions):
            while True:
                try:
                    stream.send(data)
                    break
                except BlockingIOError:  # the connection is not there yet
                    continue
            if turn == 0:
                yield 1 if number != first else 0
            left = -1
            got = 0
            while left:
                try:
                    count = stream.recv_into(memoryview(buffer)[got:])
                except BlockingIOError:
                    continue
                if not count:
                    raise ConnectionError("the server closed before its answer was whole")
                got += count
                head = head_length(buffer[:got])
                left = head + body_length(buffer[:head]) - got if head else -1
        stream.close()


if __name__ == "__main__":
    main(FreshSpec, run)
