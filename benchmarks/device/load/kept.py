"""A closed loop over kept connections that never sleeps: one packet of questions on each, always.

Run as `python -m benchmarks.device.load.kept SPEC`. A client that sleeps makes every send wake
another core, which punishes the fastest servers most; and wrk is slower than the lane. So this one
spins, and takes the answers in the order in which it asked: two system calls an answer.
"""

import socket
import time
from collections.abc import Sequence

from benchmarks.device.load.spec import KeptSpec, main
from benchmarks.device.measured import Measured, Window
from benchmarks.device.wire import HOST, read_answer

BUFFER = 1 << 20


def connect(port: int, data: bytes) -> tuple[socket.socket, int, bytes]:
    """Return a connection, the size of its answers, and how they begin, after one of them."""
    stream = socket.create_connection((HOST, port))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.sendall(data)
    answer = read_answer(stream)
    stream.setblocking(False)
    return stream, answer.size, f"HTTP/1.1 {answer.status} ".encode()


def run(spec: KeptSpec) -> Measured:
    """Ask for `spec.seconds`, after a warm-up that is not counted."""
    questions = [text.encode() for text in spec.requests]
    streams = []
    for number in range(spec.connections):
        data = questions[number % len(questions)]
        stream, size, start = connect(spec.port, data)
        size, data = size * spec.batch, data * spec.batch
        streams.append((stream.recv_into, stream.send, data, size, start))
    for _, send, data, _, _ in streams:
        send(data)
    _ask(streams, spec.warm_up)
    window = Window(spec.watch, spec.known)
    done, failed = _ask(streams, spec.seconds)
    return window.close(done * spec.batch, failed)


def _ask(streams: Sequence[tuple], seconds: float) -> tuple[int, int]:  # type: ignore[type-arg]
    buffer = bytearray(BUFFER)
    view = memoryview(buffer)
    done = failed = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for receive, send, data, size, start in streams:
            left = size
            while left:
                try:
                    count = receive(view[size - left :]) if left != size else receive(buffer)
                except BlockingIOError:
                    continue
                if not count:
                    raise ConnectionError("the server closed a kept connection")
                left -= count
                if left < 0:
                    raise ConnectionError("an answer has another length than the first one")
            if not buffer.startswith(start):
                failed += 1
            send(data)
        done += len(streams)
    return done, failed


if __name__ == "__main__":
    main(KeptSpec, run)
